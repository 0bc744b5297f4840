/** What is done when a lease is broken, and which mechanisms can keep which promise. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { breaksPromise, decide, type Decision, handsOver, type OnLeaseBreak, stopAfterMs } from "#core/lease.js";
import { checkOptions } from "#core/transfer/request.js";
import { select } from "#core/plan/select.js";
import { strategyNames } from "#core/plan/strategies.js";
import { end, request, unknowing } from "../support/ends.ts";

/** Policy, milliseconds left, bytes left, decision. */
const decisions: readonly (readonly [OnLeaseBreak, number, number, Decision])[] = [
  ["finish", 30_000, 1_000_000, "continue"],
  ["finish", 1, 1, "continue"],
  ["finish", 30_000, 0, "continue"],
  ["finish", 0, 1, "stop"],
  ["finish", 0, 0, "stop"],
  ["abort", 30_000, 1_000_000, "stop"],
  ["abort", 30_000, 0, "stop"],
  ["abort", 0, 1, "stop"],
  ["snapshot", 30_000, 1_000_000, "save"],
  ["snapshot", 30_000, Infinity, "save"],
  ["snapshot", 30_000, 0, "continue"],
  ["snapshot", 0, 1_000_000, "stop"],
  ["snapshot", -5, 0, "stop"],
];

for (const [policy, timeLeft, bytesLeft, decision] of decisions)
  test(`decide() with "${policy}", ${timeLeft} ms and ${bytesLeft} bytes left is to ${decision}`, () => {
    assert.is(decide(policy, timeLeft, bytesLeft), decision);
  });

test("stopAfterMs() is before the engine's time is up, by a second or an eighth", () => {
  assert.is(stopAfterMs(40_000), 39_000);
  assert.is(stopAfterMs(800), 700);
  assert.is(stopAfterMs(0), 0);
});

test("handsOver() is of mechanisms that don't copy, to sockets and pipes", () => {
  const file = end("file");
  const handing = (to: "socket" | "pipe" | "file") =>
    strategyNames.filter((strategy) => handsOver(strategy, file, end(to)));
  for (const strategy of ["sendfile", "splice"] as const) {
    assert.ok(handing("socket").includes(strategy));
    assert.ok(handing("pipe").includes(strategy));
  }
  for (const strategy of ["mapped", "buffered", "portable"] as const) assert.not(handing("socket").includes(strategy));
  assert.equal(handing("file"), []);
});

test("select() leaves out what hands over pages where a break is to be survived by a copy", () => {
  const plan = select(
    end("file"),
    end("socket"),
    request({ consistency: "leased", onLeaseBreak: "snapshot" }),
    unknowing,
  );
  const names = plan.candidates.map(({ strategy }) => strategy);
  assert.ok(names.includes("buffered"));
  for (const strategy of ["sendfile", "splice"] as const) {
    assert.not(names.includes(strategy));
    assert.match(plan.rejected.find((each) => each.strategy === strategy)?.reason ?? "", /could not be taken back/);
  }
  assert.throws(
    () =>
      select(
        end("file"),
        end("socket"),
        request({ consistency: "leased", onLeaseBreak: "snapshot", strategy: "sendfile" }),
        unknowing,
      ),
    (error: Error & { code?: string }) => error.code === "ERR_SLUICE_UNSUPPORTED",
  );
});

test("breaksPromise() has nothing against any mechanism otherwise", () => {
  for (const options of [{}, { consistency: "snapshot" }, { consistency: "leased" }] as const)
    for (const strategy of strategyNames)
      assert.is(breaksPromise(strategy, end("file"), end("socket"), checkOptions(options)), undefined);
});

test("select() refuses to keep anything but a regular file as it is", () => {
  for (const consistency of ["leased", "snapshot"] as const)
    for (const kind of ["socket", "pipe", "memory", "stream", "charDevice"] as const)
      assert.throws(
        () => select(end(kind), end("socket"), request({ consistency }), unknowing),
        (error: Error & { code?: string }) => error.code === "ERR_SLUICE_UNSUPPORTED",
        `${consistency} ${kind}`,
      );
});

test("checkOptions() refuses a time that no lease can be held for", () => {
  for (const value of [0, -1, 1.5, 2 ** 31, NaN])
    assert.throws(
      () => checkOptions({ leaseHoldMs: value }),
      (error: unknown) => error instanceof RangeError,
    );
  assert.throws(
    () => checkOptions({ leaseHoldMs: "1" as unknown as number }),
    (error: unknown) => error instanceof TypeError,
  );
  assert.is(checkOptions({ leaseHoldMs: 500 }).leaseHoldMs, 500);
});

test.run();
