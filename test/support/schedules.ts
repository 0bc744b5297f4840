/** Generated transfers: a plan, the bytes of its source, and what goes wrong on the way. */
import * as fc from "fast-check";
import type { Endpoint } from "#core/plan/endpoint.js";
import type { Strategy } from "#core/plan/kernel.js";
import { type Plan, select } from "#core/plan/select.js";
import { strategyNames } from "#core/plan/strategies.js";
import { randomBytes } from "./data.ts";
import { end, request, unknowing } from "./ends.ts";
import type { Fault } from "./fake-kernel.ts";

/** After which errnos another mechanism may go on: the manual pages' "not here", row by row. */
export const givesWay: Readonly<Record<Strategy, readonly string[]>> = {
  reflink: ["EOPNOTSUPP", "EXDEV", "EINVAL", "ENOTTY", "ENOSYS", "EPERM", "EACCES", "ETXTBSY", "EBADF", "EIO"],
  copyFileRange: ["ENOSYS", "EXDEV", "EINVAL", "EIO", "EOPNOTSUPP", "EPERM", "EBADF", "EOVERFLOW", "ETXTBSY"],
  sendfile: ["EINVAL", "ENOSYS", "EPERM", "EOVERFLOW", "EOPNOTSUPP"],
  splice: ["EINVAL", "ENOSYS", "EPERM", "EOVERFLOW", "EOPNOTSUPP"],
  mapped: ["ENODEV", "EACCES", "EINVAL", "EPERM", "ENOMEM"],
  direct: ["EINVAL", "EACCES", "EPERM", "ENOENT", "EROFS", "ETXTBSY", "ENOMEM"],
  vmsplice: ["ENOSYS", "EPERM", "EINVAL", "EBADF"],
  sendZeroCopy: ["EOPNOTSUPP", "ENOPROTOOPT", "ENOBUFS", "EPERM", "EINVAL", "EBUSY"],
  tee: ["ENOSYS", "EPERM", "EINVAL", "EOPNOTSUPP"],
  sharedRing: [],
  buffered: [],
  portable: [],
};

const fatal = ["EPIPE", "ECONNRESET", "ENOSPC", "EFBIG", "EDQUOT", "ETIMEDOUT", "EFAULT", "ESTALE"];
export const errnos = [...new Set([...fatal, ...Object.values(givesWay).flat()])];

export interface Schedule {
  readonly plan: Plan;
  readonly content: Uint8Array;
  readonly faults: readonly Fault[];
}

const maxBytes = 200;
const after = fc.nat(maxBytes);
const fault: fc.Arbitrary<Fault> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("error"),
      after,
      code: fc.constantFrom(...errnos),
      stranded: fc.constantFrom(0, 0, 0, 5),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("error"),
      after,
      code: fc.constantFrom("EINVAL", "EPERM"),
      stranded: fc.constant(0),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("eof"), after: fc.oneof(fc.constant(0), after) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("cancelled"), after }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("truncate"), to: after }) },
  { weight: 2, arbitrary: fc.constant({ kind: "none" }) },
) as fc.Arbitrary<Fault>;

/** Files of known and of unknown size, and what has no positions, each with this many bytes to give. */
const sources: readonly ((size: number) => Endpoint)[] = [
  (size) => end("file", { size }),
  () => end("file", { size: undefined }),
  () => end("pipe"),
  () => end("socket"),
  () => end("stream"),
  (size) => end("memory", { size }),
];
const targets = [end("file"), end("socket"), end("pipe"), end("stream")];

export const schedule: fc.Arbitrary<Schedule> = fc
  .record({
    size: fc.nat(maxBytes),
    source: fc.constantFrom(...sources),
    target: fc.constantFrom(...targets),
    offset: fc.nat(maxBytes + 10),
    length: fc.option(fc.nat(maxBytes + 10), { nil: undefined }),
    targetOffset: fc.option(fc.nat(50), { nil: undefined }),
    strategy: fc.oneof(fc.constant("auto" as const), fc.shuffledSubarray(strategyNames, { minLength: 1 })),
    faults: fc.array(fault, { maxLength: 8 }),
  })
  .map(({ size, source: make, target, offset, length, targetOffset, strategy, faults }) => {
    const source = make(size);
    const seekable = source.kind === "file" || source.kind === "memory";
    const options = request({
      offset: seekable ? offset : 0,
      length,
      targetOffset: target.kind === "file" ? targetOffset : undefined,
      // The portable path serves every pair, so that a forced list never comes out empty.
      strategy: strategy === "auto" ? strategy : [...new Set<Strategy>([...strategy, "portable"])],
    });
    return { plan: select(source, target, options, unknowing), content: randomBytes(size, size + 1), faults };
  });
