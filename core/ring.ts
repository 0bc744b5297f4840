/** What a shared ring is asked for, and what errnos mean of one. */
import { errnoText } from "./abi/errno.ts";
import { ringLimits } from "./abi/ring-layout.ts";
import { mostMs, type Names, wholeNumber } from "./options.ts";

/** More costs more: what is written has left the processor's cache by the time it is read (docs/ipc.md). */
const defaultBytes = 4 * 1024 * 1024;
const defaultAttachMs = 30_000;
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

/** @throws TypeError, RangeError for options of a wrong type or range */
export function checkRingOptions({ bytes = defaultBytes, attachMs = defaultAttachMs }: RingOptions = {}): RingRequest {
  return {
    bytes: ringCapacity(wholeNumber("bytes", bytes, { least: 1, most: ringLimits.most })),
    attachMs: attachMs === Infinity ? 0 : wholeNumber("attachMs", attachMs, { least: 1, most: mostMs }),
  };
}

/** What an unprivileged process may have by default (/proc/sys/fs/pipe-max-size). */
const defaultPipeBytes = 1024 * 1024;

/** @throws TypeError, RangeError for a size that no pipe can have */
export function checkPipeBytes(bytes: number = defaultPipeBytes): number {
  return wholeNumber("bytes", bytes, { least: 1, most: 0x7fffffff });
}

/** The capacity of a ring with room for so many bytes. */
export function ringCapacity(bytes: number): number {
  return Math.max(ringLimits.least, 2 ** Math.ceil(Math.log2(bytes)));
}
