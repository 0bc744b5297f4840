/** Files by wasi:filesystem: what they are, and bytes at their positions. */
import type { Descriptor, DescriptorStat, DescriptorType } from "wasi:filesystem/types@0.2.12";
import { checkedCount } from "#core/wasi/component.js";
import { type Endpoint, endpoint, type EndpointKind } from "#core/plan/endpoint.js";
import { errnoNumber } from "#core/abi/errno.js";
import { type Job, nothing, type Outcome } from "#core/plan/kernel.js";
import { attempt, errnoOf } from "./errors.ts";

/** Bytes of a read: larger ones gain nothing, and a guest's memory never shrinks again. */
const chunkBytes = 2 ** 20;

const kinds: Readonly<Record<DescriptorType, EndpointKind>> = {
  "regular-file": "file",
  directory: "directory",
  fifo: "pipe",
  socket: "socket",
  "character-device": "charDevice",
  "block-device": "blockDevice",
  "symbolic-link": "other",
  unknown: "other",
};

export const withoutEngine = "a WebAssembly component has no native engine";

export function inspect(file: Descriptor, name: string, writable: boolean): Endpoint {
  return describe(
    attempt(`use ${name}`, "fstat", () => file.stat()),
    name,
    writable,
  );
}

export function describe({ type, size }: DescriptorStat, name: string, writable: boolean): Endpoint {
  const kind = kinds[type];
  return endpoint({
    kind,
    name,
    fd: false,
    withoutFd: withoutEngine,
    writable,
    // A size of 0 may be procfs's: it is read to its end instead.
    size: kind === "file" && size !== 0 ? checkedCount(`the size of ${name}`, size) : undefined,
  });
}

/** Whether two descriptors are one file. Hosts are free to hash what they like, but not differently for one file. */
function isSameFile(a: Descriptor, b: Descriptor): boolean {
  if (a.isSameObject(b)) return true;
  const [one, other] = [a.metadataHash(), b.metadataHash()];
  return one.lower === other.lower && one.upper === other.upper;
}

/** Two ends, and whether they are the same file: by made-up inodes, for WASI shows none. */
export function inspectPair(
  source: Descriptor,
  sourceName: string,
  target: Descriptor,
  targetName: string,
): readonly [Endpoint, Endpoint] {
  const from = inspect(source, sourceName, false);
  const to = inspect(target, targetName, true);
  const same = attempt(`use ${targetName}`, "fstat", () => isSameFile(source, target));
  return paired(from, to, same);
}

export function paired(from: Endpoint, to: Endpoint, same: boolean): readonly [Endpoint, Endpoint] {
  return [
    { ...from, identity: { device: 0, inode: 0 } },
    { ...to, identity: { device: 0, inode: same ? 0 : 1 } },
  ];
}

/** One attempt: positional reads and writes until the length or the end. */
export function moveBuffered(job: Job, source: Descriptor, target: Descriptor): Outcome {
  let bytes = 0;
  let failed: "source" | "target" = "source";
  const ended = (end: Outcome["end"]): Outcome => ({ ...nothing, end, bytes });
  try {
    for (;;) {
      const left = job.length === undefined ? chunkBytes : job.length - bytes;
      if (left === 0) return ended("done");
      failed = "source";
      const [chunk] = source.read(Math.min(left, chunkBytes), (job.offset ?? 0) + bytes);
      if (chunk.byteLength === 0) return ended("eof");
      failed = "target";
      let rest = chunk;
      while (rest.byteLength > 0) {
        const written = target.write(rest, (job.targetOffset ?? 0) + bytes);
        bytes += written;
        if (written === 0) return { ...ended("error"), errno: errnoNumber("EIO"), failed };
        rest = rest.subarray(written);
      }
    }
  } catch (thrown) {
    const name = errnoOf(thrown);
    return { ...ended("error"), errno: name === undefined ? 0 : errnoNumber(name), failed, cause: thrown };
  }
}

/** Lets go of a descriptor now, not when memory is wanted. */
export function close(file: Descriptor | undefined): void {
  file?.[Symbol.dispose]();
}
