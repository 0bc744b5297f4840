/** Describes descriptors, by the engine where it is there and by fstat where it isn't. */
import { type BigIntStats, fstatSync } from "node:fs";
import { fdFlags, fdKinds, type Native } from "../../core/abi/abi.ts";
import { inspectionRecord } from "../../core/abi/records.ts";
import { type Endpoint, endpoint, type EndpointKind, sizeIsTrusted } from "../../core/plan/endpoint.ts";
import { errnoName } from "../../core/abi/errno.ts";
import { RecordMemory } from "../engine/record-memory.ts";
import { callFailed, codeOf } from "../support/system-error.ts";

const kinds = new Map<number, EndpointKind>(
  (Object.keys(fdKinds) as (keyof typeof fdKinds)[]).map((name) => [fdKinds[name], name]),
);

/** One for all calls: it is read before anything else can run. */
const record = new RecordMemory(inspectionRecord.size);

function inspectNative(native: Native, fd: number, name: string): Endpoint {
  const answer = native.sluice_inspect(fd, record.bytes);
  if (answer < 0) throw callFailed(`use ${name}`, "fstat", errnoName(-answer));
  const get = (field: Parameters<typeof inspectionRecord.get>[1]) => inspectionRecord.get(record.view, field);
  const flags = get("flags");
  const has = (flag: keyof typeof fdFlags) => (flags & fdFlags[flag]) !== 0;
  const kind = kinds.get(get("kind")) ?? "other";
  const sized = kind === "file" ? sizeIsTrusted(get("filesystem"), get("size")) : kind === "blockDevice";
  // Not by endpoint(): V8 makes a spread copy a property at a time, and this is made anew for every transfer.
  return {
    kind,
    name,
    fd: true,
    readable: has("readable"),
    writable: has("writable"),
    append: has("append"),
    nonblocking: has("nonblocking"),
    byteStream: has("stream"),
    listening: has("listening"),
    size: sized ? get("size") : undefined,
    allocated: kind === "file" ? get("blocks") * 512 : undefined,
    identity: {
      device: inspectionRecord.getWide(record.view, "device"),
      inode: inspectionRecord.getWide(record.view, "inode"),
      mount: inspectionRecord.getWide(record.view, "mount"),
    },
    filesystem: get("filesystem"),
    buffered: 0,
  };
}

const statKinds = [
  ["isFile", "file"],
  ["isDirectory", "directory"],
  ["isSocket", "socket"],
  ["isFIFO", "pipe"],
  ["isCharacterDevice", "charDevice"],
  ["isBlockDevice", "blockDevice"],
] as const satisfies readonly (readonly [keyof BigIntStats, EndpointKind])[];

/** As the engine tells device and inode numbers. */
export const narrow = (wide: bigint): number | bigint => (wide <= Number.MAX_SAFE_INTEGER ? Number(wide) : wide);

/** Without the engine neither the access mode nor the filesystem is known; a read or write will tell. */
function inspectByStat(fd: number, name: string, withoutFd: string): Endpoint {
  let stats: BigIntStats;
  try {
    stats = fstatSync(fd, { bigint: true });
  } catch (error) {
    throw callFailed(`use ${name}`, "fstat", codeOf(error) ?? "EBADF", error);
  }
  return describeStats(stats, name, withoutFd);
}

/** What has been looked at without the engine. */
export function describeStats(stats: BigIntStats, name: string, withoutFd: string): Endpoint {
  const kind = statKinds.find(([is]) => stats[is]())?.[1] ?? "other";
  return endpoint({
    kind,
    name,
    fd: false,
    withoutFd,
    // A size of 0 may be procfs's: read to the end instead.
    size: kind === "file" && stats.size > 0n && stats.blocks > 0n ? Number(stats.size) : undefined,
    allocated: Number(stats.blocks) * 512,
    identity: { device: narrow(stats.dev), inode: narrow(stats.ino) },
  });
}

/** What is behind a descriptor. Throws TransferError `EBADF` where nothing is. */
export function inspectFd(native: Native | string, fd: number, name: string): Endpoint {
  if (fd < 0) throw callFailed(`use ${name}`, "fstat", "EBADF");
  return typeof native === "string" ? inspectByStat(fd, name, native) : inspectNative(native, fd, name);
}
