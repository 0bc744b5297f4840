/** What a file channel is, apart from the kernel: its ranges, its position and its locks. */
import { argumentError, shown } from "./error.ts";
import { type ByteCount, optionalCount } from "./transfer/request.ts";

/** A range of a file, in bytes; `end` may be Infinity. */
export interface LockRange {
  readonly start: number;
  readonly end: number;
}

/** A place in a file or a number of bytes. @throws TypeError, RangeError for what is negative or no whole number */
export function count(name: string, value: ByteCount): number {
  const checked: number | undefined = optionalCount(name, value);
  if (checked === undefined)
    throw argumentError("ERR_INVALID_ARG_TYPE", `${name} must be a number or bigint of bytes, got undefined`);
  return checked;
}

/** A number of bytes that may be without limit. */
export function countOrAll(name: string, value: ByteCount): number {
  return value === Infinity ? Infinity : count(name, value);
}

/** A size of 0 is to the end, as for the kernel (fcntl(2)) and for Java. @throws RangeError where the range ends past 2^53 - 1 */
export function lockRange(position: ByteCount, size: ByteCount): LockRange {
  const start = count("position", position);
  const end = start + (countOrAll("size", size) || Infinity);
  if (end !== Infinity && !Number.isSafeInteger(end))
    throw argumentError("ERR_OUT_OF_RANGE", `a lock must end before 2^53, got ${end}`);
  return { start, end };
}

/** @throws TypeError for what is no Uint8Array */
export function checkBuffer(value: unknown): void {
  if (!(value instanceof Uint8Array))
    throw argumentError("ERR_INVALID_ARG_TYPE", `buffer must be a Uint8Array, got ${shown(value)}`);
}

/** Whether two ranges have a byte in common. */
export function overlap(a: LockRange, b: LockRange): boolean {
  return a.start < b.end && b.start < a.end;
}
