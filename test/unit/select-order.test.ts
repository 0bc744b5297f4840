/** Which mechanisms select() tries for each pair of kinds, as tables. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { EndpointKind } from "#core/plan/endpoint.js";
import type { TransferError } from "#core/error.js";
import type { Strategy } from "#core/plan/kernel.js";
import type { TransferOptions } from "#core/transfer/request.js";
import { type Knowledge, select } from "#core/plan/select.js";
import { strategyNames } from "#core/plan/strategies.js";
import { end, file, request, unknowing } from "../support/ends.ts";

type Kind = Exclude<EndpointKind, "directory" | "other">;

const toPortable = "portable";
const throughPipe = "splice buffered portable";
const byRing = "sharedRing portable";
const fromFile = "sendfile splice mapped buffered portable";
const fromDisk = "sendfile splice buffered portable";

/** Rows are sources, columns targets; in each cell the strategies in the order of trying. */
const auto: Readonly<Record<Kind, Readonly<Record<Kind, string>>>> = {
  file: {
    file: "copyFileRange sendfile splice buffered mapped portable",
    pipe: "splice sendfile buffered mapped portable",
    socket: fromFile,
    charDevice: fromFile,
    blockDevice: fromFile,
    ring: byRing,
    memory: toPortable,
    stream: toPortable,
  },
  blockDevice: {
    file: fromDisk,
    pipe: "splice sendfile buffered portable",
    socket: fromDisk,
    charDevice: fromDisk,
    blockDevice: fromDisk,
    ring: byRing,
    memory: toPortable,
    stream: toPortable,
  },
  socket: everywhere(throughPipe),
  pipe: everywhere(throughPipe),
  charDevice: everywhere(throughPipe),
  ring: { ...everywhere(byRing), ring: toPortable },
  memory: { ...everywhere(toPortable), ring: toPortable },
  stream: { ...everywhere(toPortable), ring: toPortable },
};

/** A source for which the target's kind makes no difference, as long as it has a descriptor. */
function everywhere(order: string): Record<Kind, string> {
  const native = { file: order, pipe: order, socket: order, charDevice: order, blockDevice: order };
  return { ...native, ring: byRing, memory: toPortable, stream: toPortable };
}

const kinds = Object.keys(auto) as Kind[];
const pairs = kinds.flatMap((source) => kinds.map((target) => [source, target] as const));
const names = (list: readonly { strategy: Strategy }[]) => list.map(({ strategy }) => strategy);

const refusal = (action: () => unknown): TransferError => {
  try {
    action();
  } catch (error) {
    return error as TransferError;
  }
  throw new Error("It did not throw");
};

for (const [source, target] of pairs)
  test(`select() orders the mechanisms from ${source} to ${target}`, () => {
    const plan = select(end(source), end(target), request(), unknowing);
    assert.is(names(plan.candidates).join(" "), auto[source][target]);
    for (const { reason } of [...plan.candidates, ...plan.rejected]) assert.ok(reason.length > 0);
  });

test("select() tries reflink first between files where both offsets are known", () => {
  const plan = select(end("file"), end("file"), request({ targetOffset: 0 }), unknowing);
  assert.is(names(plan.candidates).join(" "), "reflink copyFileRange splice buffered mapped portable");
  assert.equal(names(plan.rejected), ["sendfile"]);
});

test("select() takes a forced mechanism alone, wherever auto would try it", () => {
  for (const [source, target] of pairs)
    for (const strategy of auto[source][target].split(" ") as Strategy[]) {
      const plan = select(end(source), end(target), request({ strategy }), unknowing);
      assert.equal(plan.candidates, [{ strategy, reason: "asked for" }], `${strategy}: ${source} to ${target}`);
    }
});

/** Direct I/O is never chosen unasked, and reads whatever has blocks. */
const isDirect = (strategy: Strategy, source: EndpointKind, target: EndpointKind): boolean =>
  strategy === "direct" && (source === "file" || source === "blockDevice") && end(target).fd && target !== "ring";

test('select() takes direct alone for cache: "direct"', () => {
  for (const [source, target] of pairs) {
    const choose = () => select(end(source), end(target), request({ cache: "direct" }), unknowing);
    if (isDirect("direct", source, target))
      assert.equal(names(choose().candidates), ["direct"], `${source} to ${target}`);
    else assert.is(refusal(choose).code, "ERR_SLUICE_UNSUPPORTED", `${source} to ${target}`);
  }
});

test('select() leaves no page in a socket, and nothing to the runtime, for cache: "dontcache"', () => {
  const options = request({ cache: "dontcache", length: 100 });
  const toSocket = select(end("file"), end("socket"), options, unknowing);
  assert.equal(names(toSocket.candidates), ["buffered", "sendfile", "splice", "mapped"]);
  assert.equal(names(toSocket.rejected), ["portable"]);
  assert.not.ok(toSocket.inline, "the engine does all of it");
  const target = { cache: "dontcache", targetOffset: 0 } as const;
  const toFile = select(end("file"), end("file"), request(target), unknowing);
  assert.equal(names(toFile.candidates), ["reflink", "copyFileRange", "splice", "buffered", "mapped"]);
  assert.is(
    refusal(() => select(end("memory"), end("file"), request(target), unknowing)).code,
    "ERR_SLUICE_UNSUPPORTED",
  );
});

test("select() never swaps a forced mechanism that does not fit for another", () => {
  for (const [source, target] of pairs)
    for (const strategy of strategyNames) {
      if (auto[source][target].split(" ").includes(strategy) || isDirect(strategy, source, target)) continue;
      const error = refusal(() => select(end(source), end(target), request({ strategy }), unknowing));
      assert.is(error.code, "ERR_SLUICE_UNSUPPORTED", `${strategy}: ${source} to ${target}`);
      assert.match(error.message, `${strategy}: `);
      assert.is(error.bytesTransferred, 0);
    }
});

test("select() keeps a forced list in the caller's order, less what does not fit", () => {
  const strategy = ["buffered", "reflink", "sendfile"] as const;
  const plan = select(end("file"), end("socket"), request({ strategy }), unknowing);
  assert.equal(names(plan.candidates), ["buffered", "sendfile"]);
  assert.equal(names(plan.rejected), ["reflink"]);
});

const without =
  (...missing: readonly Strategy[]): Knowledge =>
  (strategy) =>
    missing.includes(strategy) ? { ability: "no", reason: `${strategy} is gone` } : { ability: "yes", reason: "seen" };

test("select() leaves out what is known not to work, with the reason, and nothing else", () => {
  for (const [source, target] of pairs)
    for (const missing of strategyNames) {
      if (missing === "portable") continue;
      const plan = select(end(source), end(target), request(), without(missing));
      const left = auto[source][target].split(" ").filter((name) => name !== missing);
      assert.equal(names(plan.candidates), left, `without ${missing}: ${source} to ${target}`);
      if (left.length < auto[source][target].split(" ").length)
        assert.is(plan.rejected.find(({ strategy }) => strategy === missing)?.reason, `${missing} is gone`);
    }
});

test("select() treats unknown like yes", () => {
  for (const [source, target] of pairs)
    assert.equal(
      select(end(source), end(target), request(), unknowing).candidates,
      select(end(source), end(target), request(), without()).candidates,
    );
});

test("select() comes down to the portable path when nothing else works", () => {
  for (const [source, target] of pairs)
    assert.equal(names(select(end(source), end(target), request(), without(...strategyNames)).candidates), [
      "portable",
    ]);
});

test("select() refuses with every reason when fallback: false leaves nothing", () => {
  const bare = () => select(end("pipe"), end("socket"), request({ fallback: false }), without(...strategyNames));
  const { code, message } = refusal(bare);
  assert.is(code, "ERR_SLUICE_UNSUPPORTED");
  for (const why of ["splice is gone", "buffered is gone", "forbidden by fallback: false"]) assert.match(message, why);
});

test("select() refuses a forced mechanism that is known not to work", () => {
  const forced = () => select(end("file"), end("socket"), request({ strategy: "sendfile" }), without("sendfile"));
  const { code, message } = refusal(forced);
  assert.is(code, "ERR_SLUICE_UNSUPPORTED");
  assert.match(message, "sendfile is gone");
});

test("select() spares a call that these filesystems refused before, but never the last one that was asked for", () => {
  const between: Knowledge = (_strategy, source) =>
    source === undefined
      ? { ability: "yes", reason: "probed" }
      : { ability: "no", reason: "these filesystems said no" };
  const planFor = (options: TransferOptions) =>
    select(file(1), file(2), request({ ...options, targetOffset: 0 }), between);
  for (const strategy of ["reflink", "copyFileRange", "splice", "mapped"] as const)
    assert.equal(names(planFor({ strategy }).candidates), [strategy]);
  const several = planFor({ strategy: ["reflink", "copyFileRange", "sendfile"] });
  // sendfile takes no offset of the target, so nothing follows copyFileRange.
  assert.equal([names(several.candidates), names(several.rejected)], [["copyFileRange"], ["reflink", "sendfile"]]);
  assert.equal(names(planFor({}).candidates), ["portable"]);
  assert.equal(names(planFor({ fallback: false }).candidates), ["mapped"]);
});

/** What a property of the target takes away from the order of auto. */
const lessened = [
  ["a file open with O_APPEND", "file", { append: true }, "buffered mapped portable"],
  ["a socket in blocking mode", "socket", { nonblocking: false }, "mapped buffered portable"],
  ["a pipe in blocking mode", "pipe", { nonblocking: false }, "splice buffered mapped portable"],
] as const;

for (const [what, kind, properties, order] of lessened)
  test(`select() leaves out what would fail on ${what}`, () => {
    const plan = select(end("file"), end(kind, properties), request(), unknowing);
    assert.is(names(plan.candidates).join(" "), order);
  });

test("select() never maps a file whose size is not to be trusted", () => {
  const plan = select(end("file", { size: undefined }), end("socket"), request(), unknowing);
  assert.is(names(plan.candidates).join(" "), "sendfile splice buffered portable");
});

test.run();
