/** The transfer loop under generated fault schedules: every byte once and in order, and an honest account. */
import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Capabilities } from "#core/plan/capabilities.js";
import { errnoName, errnoNumber } from "#core/abi/errno.js";
import { TransferError } from "#core/error.js";
import type { Outcome, Strategy } from "#core/plan/kernel.js";
import { type Plan, select } from "#core/plan/select.js";
import { strategies, strategyNames } from "#core/plan/strategies.js";
import { type Account, drive, driveSync, transferLoop } from "#core/transfer/transfer.js";
import { randomBytes } from "../support/data.ts";
import { end, request, unknowing } from "../support/ends.ts";
import { type Fault, FakeKernel } from "../support/fake-kernel.ts";
import { check, checkAsync } from "../support/property.ts";
import { errnos, givesWay, type Schedule, schedule } from "../support/schedules.ts";

const test = suite("transferLoop");

/** Whether the attempt left it to the next to go on, as its row says. */
function mayGiveWay(plan: Plan, strategy: Strategy, { end: how, bytes, errno, stranded }: Outcome): boolean {
  if (how === "error") return stranded === 0 && givesWay[strategy].some((code) => errnoNumber(code) === errno);
  const doubtful = strategy === "reflink" || strategy === "copyFileRange" || plan.source.size === undefined;
  return how === "eof" && bytes === 0 && plan.offset !== undefined && doubtful;
}

type Ending = Account | TransferError;

function settle(error: unknown): TransferError {
  if (error instanceof TransferError) return error;
  throw error;
}

function played({ plan, content, faults }: Schedule): { kernel: FakeKernel; ending: Ending } {
  const kernel = new FakeKernel(content, faults);
  try {
    return { kernel, ending: driveSync(transferLoop(plan, new Capabilities()), kernel.run) };
  } catch (error) {
    return { kernel, ending: settle(error) };
  }
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);

test("each byte arrives once, in order, at its place", () => {
  check(
    fc.property(schedule, (given) => {
      const { plan, content } = given;
      const { kernel } = played(given);
      const from = plan.offset ?? 0;
      const arrived = kernel.written(plan.targetOffset ?? 0);
      assert.equal(arrived, content.slice(from, from + arrived.length));
      if (plan.length !== undefined) assert.ok(arrived.length <= plan.length);
    }),
    5000,
  );
});

test("the account and the error tell what the target holds", () => {
  check(
    fc.property(schedule, (given) => {
      const { plan } = given;
      const { kernel, ending } = played(given);
      const moved = kernel.target.size;
      assert.is(ending instanceof TransferError ? ending.bytesTransferred : ending.bytes, moved);
      assert.equal(
        ending.attempts.map(({ strategy, bytes }) => [strategy, bytes]),
        kernel.jobs.map(({ strategy }, index) => [strategy, kernel.outcomes[index]?.bytes]),
      );
      if (ending instanceof TransferError) {
        assert.is(ending.sourceOffset, plan.offset === undefined ? undefined : plan.offset + moved);
        assert.is(ending.bytesStranded, kernel.outcomes.at(-1)?.stranded);
        assert.is(ending.strategy, kernel.jobs.at(-1)?.strategy);
        return;
      }
      const { syscalls, waits, cpuNs, strategy, attempts } = ending;
      assert.equal(
        [syscalls, waits, cpuNs],
        [1, 2, 3].map((each) => each * kernel.jobs.length),
      );
      const most = Math.max(0, ...attempts.map(({ bytes }) => bytes));
      if (attempts.length === 0) assert.is(strategy, undefined);
      else assert.ok(attempts.some((attempt) => attempt.strategy === strategy && attempt.bytes === most));
    }),
    5000,
  );
});

test("it succeeds when all that was owed has moved, and never else", () => {
  check(
    fc.property(schedule, (given) => {
      const { plan } = given;
      const { kernel, ending } = played(given);
      if (ending instanceof TransferError) return;
      const moved = kernel.target.size;
      if (plan.owed) assert.is(moved, plan.length);
      // Nothing but an end of file that the source itself told may cut short what has no size.
      const last = kernel.outcomes.at(-1);
      const told = given.faults[kernel.jobs.length - 1]?.kind === "eof";
      if (last?.end === "eof" && !told) assert.is((plan.offset ?? 0) + moved >= kernel.sourceLength, true);
      assert.ok(last === undefined || last.end === "done" || last.end === "eof");
    }),
    5000,
  );
});

test("it fails with the code of what ended it", () => {
  check(
    fc.property(schedule, (given) => {
      const { kernel, ending } = played(given);
      if (!(ending instanceof TransferError)) return;
      const last = kernel.outcomes.at(-1);
      const codes = { cancelled: "ABORT_ERR", eof: "ERR_SLUICE_TRUNCATED", done: "", error: "" };
      assert.ok(last !== undefined);
      const row = strategies[kernel.jobs.at(-1)?.strategy ?? "portable"];
      const isExplained = last.end === "error" && row.unsupported?.[errnoName(last.errno)] !== undefined;
      if (last.end === "error") assert.is(ending.errno, last.errno);
      if (isExplained) assert.is(ending.code, "ERR_SLUICE_UNSUPPORTED");
      else if (last.end === "error") assert.is(errnoNumber(ending.code), last.errno);
      else assert.is(ending.code, codes[last.end]);
      // Only what was there at the start can be missing at the end.
      if (last.end === "eof") assert.ok(given.plan.owed && kernel.target.size < (given.plan.length ?? 0));
      assert.is(ending.name, last.end === "cancelled" ? "AbortError" : "TransferError");
      assert.is(ending.syscall === undefined, last.end !== "error" || isExplained);
    }),
    5000,
  );
});

test("it goes on with the next mechanism where the last one may give way, and nowhere else", () => {
  check(
    fc.property(schedule, (given) => {
      const { plan } = given;
      const { kernel, ending } = played(given);
      const order = plan.candidates.map(({ strategy }) => strategy);
      assert.equal(
        kernel.jobs.map(({ strategy }) => strategy),
        order.slice(0, kernel.jobs.length),
      );
      for (const [index, outcome] of kernel.outcomes.entries()) {
        const strategy = order[index];
        if (strategy === undefined) throw new Error("more attempts than candidates");
        const went = index + 1 < kernel.outcomes.length;
        assert.is(went, index + 1 < order.length && mayGiveWay(plan, strategy, outcome), `after ${strategy}`);
        if (went) assert.is(outcome.stranded, 0);
      }
      if (plan.length === 0) assert.equal([kernel.jobs.length, ending instanceof TransferError], [0, false]);
    }),
    5000,
  );
});

test("it asks each attempt for exactly what is left", () => {
  check(
    fc.property(schedule, (given) => {
      const { plan } = given;
      const { kernel } = played(given);
      for (const [index, job] of kernel.jobs.entries()) {
        const moved = sum(kernel.outcomes.slice(0, index).map(({ bytes }) => bytes));
        const shifted = (start: number | undefined) => (start === undefined ? undefined : start + moved);
        assert.is(job.offset, shifted(plan.offset));
        assert.is(job.targetOffset, shifted(plan.targetOffset));
        assert.is(job.length, plan.length === undefined ? undefined : plan.length - moved);
      }
    }),
    2000,
  );
});

test("drive() comes to the same end as driveSync(), whether the runner waits or not", async () => {
  await checkAsync(
    fc.asyncProperty(schedule, fc.infiniteStream(fc.boolean()), async (given, waits) => {
      const expected = played(given).ending;
      const kernel = new FakeKernel(given.content, given.faults);
      const run = (job: Parameters<typeof kernel.run>[0]) =>
        waits.next().value ? kernel.runLater(job) : kernel.run(job);
      const ending: Ending = await (async () => drive(transferLoop(given.plan, new Capabilities()), run))().catch(
        settle,
      );
      assert.equal({ ...ending }, { ...expected });
      assert.is(ending instanceof TransferError, expected instanceof TransferError);
    }),
    3000,
  );
});

test("each errno at each byte of each mechanism is a refusal or a failure, as its row says", () => {
  const content = randomBytes(8);
  for (const strategy of strategyNames)
    for (const code of errnos)
      for (let at = 0; at <= content.length; at++) {
        const targetOffset = strategy === "sendfile" ? undefined : 0;
        const options = request({ strategy: "portable", targetOffset });
        const portable = select(end("file", { size: 8 }), end("file"), options, unknowing);
        // Whichever ends it is for: what its answers mean does not depend on them.
        const plan = { ...portable, candidates: [{ strategy, reason: "asked for" }, ...portable.candidates] };
        const faults: Fault[] = [{ kind: "error", after: at, code, stranded: 0 }];
        const { kernel, ending } = played({ plan, content, faults });
        const refused = givesWay[strategy].includes(code);
        const what = `${strategy} ${code} at ${at}`;
        assert.is(ending instanceof TransferError, !refused, what);
        assert.is(kernel.target.size, refused ? 8 : at, what);
      }
});

test.run();
