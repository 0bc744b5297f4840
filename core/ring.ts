/**
 * PURE: the shared ring's layout, which is what two processes agree on, and the arithmetic around it.
 *
 * `native/header.mjs` makes the constants of the engine from these tables, and the engine asserts its struct against
 * them at compile time. Another version of the layout has another {@link ringVersion}, and is refused at the opening.
 */
import { errnoText } from "./abi/errno.ts";
import { argumentError } from "./error.ts";
import type { Names } from "./options.ts";

/** "SLUIRING", as the eight bytes at the start of the memory. */
export const ringMagic = "SLUIRING";
export const ringVersion = 1;

/**
 * Where the fields are, in bytes from the start. What one side writes all the time shares no pair of cache lines with
 * what the other side writes (128 bytes: processors fetch neighbouring lines together).
 */
export const ringLayout = {
  magic: 0,
  version: 8,
  header_bytes: 12,
  /** u64: bytes of data, a power of two. */
  capacity: 16,
  /** u64: a random number, so that a header which is overwritten by another ring's is noticed. */
  generation: 24,
  /** u32 each: `ringParties` of the process that made the ring, and of the one that opened it. */
  creator: 128,
  opener: 132,
  /** u32 each: which of the two writes, which reads: 0 nobody yet, 1 the creator, 2 the opener. */
  writer: 136,
  reader: 140,
  /** u64: bytes written since the beginning; the writer's alone. */
  written: 256,
  /** u32: 1 when no more will be written. */
  ended: 264,
  /** u64: bytes read since the beginning; the reader's alone. */
  read: 384,
  /** u32, a futex: not 0 while the reader sleeps, and then how many bytes are worth waking it for. */
  reader_waits: 512,
  /** u32, a futex: not 0 while the writer sleeps, and then how much room it wants. */
  writer_waits: 640,
  /** The data: on a page of its own, whatever the size of a page (at most 64 KiB on Linux). */
  data: 65536,
} as const;

/** What a side of the ring says of itself. Whether that is still true, its lock says: byte 0 the creator's, byte 1 the opener's. */
export const ringParties = { absent: 0, here: 1, closed: 2 } as const;

export const ringLimits = {
  /** Least and most bytes of data. */
  least: 65536,
  most: 1073741824,
  /** How long a side that died can go unnoticed by one that waits, in milliseconds. */
  check_ms: 100,
  /** Most bytes moved before the other side hears of it. */
  chunk: 262144,
} as const;

/** More costs more: what is written has left the processor's cache by the time it is read (docs/ipc.md). */
const defaultBytes = 4 * 1024 * 1024;
const defaultAttachMs = 30_000;
/** Timers of the platform end here; 24 days. */
const mostAttachMs = 0x7fffffff;

export interface RingOptions {
  /** Room for data, in bytes; rounded up to a power of two, from 64 KiB to 1 GiB. Default 4 MiB. */
  readonly bytes?: number | undefined;
  /**
   * How long the other side may take to open the ring, in milliseconds: whoever waits for it longer gets `ETIMEDOUT`.
   * `Infinity` is for ever. Default 30 s.
   */
  readonly attachMs?: number | undefined;
}

export const ringOptions: Names<RingOptions> = { bytes: true, attachMs: true };

/** Options that have been checked. */
export interface RingRequest {
  readonly bytes: number;
  /** 0: for ever. */
  readonly attachMs: number;
}

/** What errnos mean where they speak of a ring. */
const ringTexts: Readonly<Record<string, string>> = {
  EBADMSG: "the shared memory does not hold a ring as it should",
  ETIMEDOUT: "nobody has opened the ring in time",
};

/** What an errno name means of a ring, in a few words. */
export function ringErrnoText(name: string): string {
  return ringTexts[name] ?? errnoText(name);
}

function checkNumber(name: string, value: unknown, least: number, most: number): number {
  if (typeof value !== "number")
    throw argumentError("ERR_INVALID_ARG_TYPE", `${name} must be a number, got ${typeof value}`);
  if (!Number.isInteger(value) || value < least || value > most)
    throw argumentError("ERR_OUT_OF_RANGE", `${name} must be a whole number from ${least} to ${most}, got ${value}`);
  return value;
}

/** @throws TypeError, RangeError for options of a wrong type or range */
export function checkRingOptions({ bytes = defaultBytes, attachMs = defaultAttachMs }: RingOptions = {}): RingRequest {
  return {
    bytes: ringCapacity(checkNumber("bytes", bytes, 1, ringLimits.most)),
    attachMs: attachMs === Infinity ? 0 : checkNumber("attachMs", attachMs, 1, mostAttachMs),
  };
}

/** What an unprivileged process may have by default (/proc/sys/fs/pipe-max-size). */
const defaultPipeBytes = 1024 * 1024;

/** @throws TypeError, RangeError for a size that no pipe can have */
export function checkPipeBytes(bytes: number = defaultPipeBytes): number {
  return checkNumber("bytes", bytes, 1, 0x7fffffff);
}

/** The capacity of a ring with room for so many bytes. */
export function ringCapacity(bytes: number): number {
  return Math.max(ringLimits.least, 2 ** Math.ceil(Math.log2(bytes)));
}
