/** The status of a file, as wasi:filesystem tells it. */
import type { BigIntStats } from "node:fs";
import type * as Types from "../../wasm/types/host/interfaces/wasi-filesystem-types.d.ts";

const types = [
  ["isFile", "regular-file"],
  ["isDirectory", "directory"],
  ["isSymbolicLink", "symbolic-link"],
  ["isFIFO", "fifo"],
  ["isSocket", "socket"],
  ["isCharacterDevice", "character-device"],
  ["isBlockDevice", "block-device"],
] as const;

type Kinds = Readonly<Record<(typeof types)[number][0], () => boolean>>;

export const typeOf = (stats: Kinds): Types.DescriptorType => types.find(([is]) => stats[is]())?.[1] ?? "unknown";

const billion = 1_000_000_000n;

function time(ns: bigint): Types.Datetime {
  const seconds = ns / billion;
  return { seconds, nanoseconds: Number(ns % billion) };
}

export function statOf(stats: BigIntStats): Types.DescriptorStat {
  return {
    type: typeOf(stats),
    linkCount: stats.nlink,
    size: stats.size,
    dataAccessTimestamp: time(stats.atimeNs),
    dataModificationTimestamp: time(stats.mtimeNs),
    statusChangeTimestamp: time(stats.ctimeNs),
  };
}

/** What a file is told from others by: its device and inode, and neither its content nor its times. */
export const hashOf = ({ dev, ino }: BigIntStats): Types.MetadataHashValue => ({
  lower: BigInt.asUintN(64, ino),
  upper: BigInt.asUintN(64, dev),
});
