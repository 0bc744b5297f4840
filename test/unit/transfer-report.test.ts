/** What a transfer says it did: report, error and what it learnt. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Capabilities } from "#core/plan/capabilities.js";
import type { Endpoint } from "#core/plan/endpoint.js";
import { TransferError } from "#core/error.js";
import type { Outcome, Strategy } from "#core/plan/kernel.js";
import type { TransferOptions } from "#core/transfer/request.js";
import { select } from "#core/plan/select.js";
import { type Account, drive, driveSync, transferLoop } from "#core/transfer/loop.js";
import { end, file, request, unknowing } from "../support/ends.ts";

const quiet: Outcome = { bytes: 0, stranded: 0, end: "done", errno: 0, syscalls: 0, waits: 0, cpuNs: 0 };
const EAGAIN = 11;
const EINVAL = 22;
const EPIPE = 32;
const ENOSYS = 38;
const ENODATA = 61;
const EOPNOTSUPP = 95;

interface Scripted {
  readonly source: Endpoint;
  readonly target: Endpoint;
  readonly options: TransferOptions;
  readonly outcomes: readonly Partial<Outcome>[];
  readonly knowledge?: Capabilities;
}

/** Answers the attempts with these outcomes, one after the other. */
function play({ source, target, options, outcomes, knowledge = new Capabilities() }: Scripted): Account {
  const script = outcomes.values();
  return driveSync(transferLoop(select(source, target, request(options), unknowing), knowledge), () => {
    const next = script.next();
    if (next.done) throw new Error("There was an attempt more than the script has");
    return { ...quiet, ...next.value };
  });
}

function failureOf(scripted: Scripted): TransferError {
  try {
    play(scripted);
  } catch (error) {
    if (error instanceof TransferError) return error;
    throw error;
  }
  throw new Error("It did not fail");
}

const toSocket = { source: file(1, { size: 12288 }), target: end("socket") };

test("transferLoop() names the mechanism that moved the most", () => {
  const account = play({
    source: file(1),
    target: file(2),
    options: { length: 100, strategy: ["copyFileRange", "sendfile", "buffered"] },
    outcomes: [{ bytes: 20, end: "error", errno: EINVAL }, { bytes: 50, end: "error", errno: EINVAL }, { bytes: 30 }],
  });
  assert.is(account.bytes, 100);
  assert.is(account.strategy, "sendfile");
});

test("transferLoop() says why an attempt gave way, and its errno", () => {
  const { attempts } = play({
    source: file(1),
    target: file(2),
    options: { length: 9, strategy: ["copyFileRange", "buffered"] },
    outcomes: [{ end: "error", errno: EINVAL }, { bytes: 9 }],
  });
  assert.equal(attempts, [
    { strategy: "copyFileRange", bytes: 0, code: "EINVAL", reason: "asked for; gave way: it answered EINVAL" },
    { strategy: "buffered", bytes: 9, reason: "asked for" },
  ]);
});

test("transferLoop() tries nothing for no bytes", () => {
  const account = play({ ...toSocket, options: { length: 0 }, outcomes: [] });
  assert.equal(account, {
    bytes: 0,
    syscalls: 0,
    waits: 0,
    cpuNs: 0,
    attempts: [],
    strategy: undefined,
    copied: "no",
    cache: "normal",
  });
});

test("transferLoop() says what is missing of a truncated source", () => {
  const options = { offset: 4096, strategy: "sendfile" } as const;
  const error = failureOf({ ...toSocket, options, outcomes: [{ bytes: 4096, end: "eof" }] });
  assert.is(error.message, "Cannot send file: expected 4096 more bytes at offset 8192, source was truncated");
  assert.is(error.code, "ERR_SLUICE_TRUNCATED");
  assert.equal([error.bytesTransferred, error.sourceOffset, error.errno], [4096, 8192, undefined]);
});

test("transferLoop() names errno, call and bytes of a failure", () => {
  const options = { strategy: "sendfile" } as const;
  const error = failureOf({ ...toSocket, options, outcomes: [{ bytes: 7, end: "error", errno: EPIPE }] });
  assert.equal([error.code, error.errno, error.syscall, error.strategy], ["EPIPE", EPIPE, "sendfile", "sendfile"]);
  assert.match(error.message, /EPIPE, sendfile\) after 7 bytes$/);
});

test("transferLoop() hands on what the runtime threw, with its code", () => {
  const cause = Object.assign(new Error("premature close"), { code: "ERR_STREAM_PREMATURE_CLOSE" });
  const options = { strategy: "portable" } as const;
  const error = failureOf({ ...toSocket, options, outcomes: [{ bytes: 5, end: "error", cause }] });
  assert.is(error.code, "ERR_STREAM_PREMATURE_CLOSE");
  assert.is(error.cause, cause);
  assert.is(error.bytesTransferred, 5);
});

test("transferLoop() makes an AbortError of a cancelled attempt, with the reason as its cause", () => {
  const cause = new Error("enough");
  const error = failureOf({ ...toSocket, options: {}, outcomes: [{ bytes: 3, end: "cancelled", cause }] });
  assert.equal([error.name, error.code, error.bytesTransferred], ["AbortError", "ABORT_ERR", 3]);
  assert.is(error.cause, cause);
});

test("transferLoop() tells the bytes that a source without positions lost", () => {
  const error = failureOf({
    source: end("pipe"),
    target: end("socket"),
    options: {},
    outcomes: [{ bytes: 10, stranded: 4, end: "error", errno: EINVAL }],
  });
  assert.equal([error.bytesTransferred, error.bytesStranded, error.sourceOffset], [10, 4, undefined]);
});

test("transferLoop() leaves no bytes behind where an attempt that holds some finds no thread", () => {
  const error = failureOf({
    source: end("socket"),
    target: end("socket"),
    options: {},
    outcomes: [{ bytes: 10, stranded: 4, end: "error", errno: EAGAIN, unstaffed: true }],
  });
  assert.equal([error.code, error.bytesTransferred, error.bytesStranded], ["EAGAIN", 10, 4]);
});

/** Copies as observed: the worst answer of those that moved bytes. */
const copies: readonly (readonly [Strategy, Strategy, number, Account["copied"]])[] = [
  ["reflink", "buffered", 10, "no"],
  ["reflink", "buffered", 9, "yes"],
  ["reflink", "copyFileRange", 9, "unknown"],
  ["reflink", "copyFileRange", 0, "unknown"],
  ["copyFileRange", "buffered", 9, "yes"],
];

for (const [first, second, bytes, copied] of copies)
  test(`transferLoop() reports copied: "${copied}" for ${bytes} of 10 bytes by ${first}, the rest by ${second}`, () => {
    const outcomes =
      bytes === 10 ? [{ bytes }] : [{ bytes, end: "error" as const, errno: EINVAL }, { bytes: 10 - bytes }];
    const options = { length: 10, targetOffset: 0, strategy: [first, second] };
    assert.is(play({ source: file(1), target: file(2), options, outcomes }).copied, copied);
  });

test("transferLoop() says in general what direct I/O and dontcache can't be had for", () => {
  const direct = failureOf({
    ...toSocket,
    options: { cache: "direct" },
    outcomes: [{ end: "error", errno: EINVAL, failed: "source" }],
  });
  assert.equal([direct.code, direct.errno, direct.failed], ["ERR_SLUICE_UNSUPPORTED", EINVAL, "source"]);
  assert.match(direct.message, "no direct I/O");
  const options = { cache: "dontcache", strategy: ["sendfile", "buffered"] } as const;
  const untold = { end: "error", errno: ENODATA } as const;
  const refused = failureOf({ ...toSocket, options, outcomes: [untold, untold] });
  assert.is(refused.code, "ERR_SLUICE_UNSUPPORTED");
  assert.equal(
    refused.attempts.map(({ strategy, code }) => [strategy, code]),
    [
      ["sendfile", "ENODATA"],
      ["buffered", "ENODATA"],
    ],
  );
  assert.is(failureOf({ ...toSocket, options: { strategy: "sendfile" }, outcomes: [untold] }).code, "ENODATA");
});

test("transferLoop() tells a damaged file from a broken ring", () => {
  const damaged = { end: "error", errno: 74, failed: "source" } as const;
  const options = { strategy: "sharedRing" } as const;
  assert.match(
    failureOf({ ...toSocket, options: { strategy: "buffered" }, outcomes: [damaged] }).message,
    /damaged \(EBADMSG/,
  );
  const ring = end("ring");
  const fromRing = failureOf({ source: ring, target: file(1), options, outcomes: [damaged] });
  assert.match(fromRing.message, /does not hold a ring/);
  assert.match(failureOf({ source: file(1), target: ring, options, outcomes: [damaged] }).message, /damaged/);
});

test("transferLoop() teaches the capabilities what the pair lacks, and what works", () => {
  const knowledge = new Capabilities();
  play({
    source: file(1),
    target: file(2),
    options: { length: 9, targetOffset: 0, strategy: ["reflink", "copyFileRange", "mapped", "buffered"] },
    outcomes: [
      { end: "error", errno: EOPNOTSUPP },
      { end: "error", errno: ENOSYS },
      { end: "error", errno: EINVAL },
      { bytes: 9 },
    ],
    knowledge,
  });
  assert.is(knowledge.between("reflink", file(1), file(2)).ability, "no");
  assert.is(knowledge.of("reflink").ability, "unknown");
  assert.is(knowledge.between("copyFileRange", file(1), file(2)).ability, "no");
  assert.is(knowledge.of("copyFileRange").ability, "unknown");
  assert.is(knowledge.of("mapped").ability, "unknown");
  assert.is(knowledge.of("buffered").ability, "yes");
});

test("transferLoop() learns nothing bad of a mechanism that a peer's hang-up ended", () => {
  const knowledge = new Capabilities();
  const options = { strategy: "sendfile" } as const;
  failureOf({ ...toSocket, options, outcomes: [{ bytes: 1, end: "error", errno: EPIPE }], knowledge });
  assert.is(knowledge.of("sendfile").ability, "yes");
});

test("transferLoop() learns nothing good of a mechanism that moved nothing", () => {
  const knowledge = new Capabilities();
  const options = { strategy: "sendfile" } as const;
  failureOf({ ...toSocket, options, outcomes: [{ end: "error", errno: EPIPE }], knowledge });
  assert.is(knowledge.of("sendfile").ability, "unknown");
});

test("drive() rejects with what its runner rejects with", async () => {
  const plan = select(toSocket.source, toSocket.target, request(), unknowing);
  const broken = new Error("the runner broke");
  try {
    await drive(transferLoop(plan, new Capabilities()), () => Promise.reject(broken));
  } catch (error) {
    return assert.is(error, broken);
  }
  assert.unreachable("it resolved");
});

test.run();
