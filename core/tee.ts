/** One source to several targets: what is asked for, what is told, and who is too slow. */
import { argumentError, shown, TransferError, type TransferErrorDetails } from "./error.ts";
import { checkKnown, type Names } from "./options.ts";
import type { Copied, Report } from "./transfer/report.ts";
import { type AbortSignalLike, type ByteCount, checkOptions, optionalCount } from "./transfer/request.ts";

/** How a stream is given to several. "separate": each target reads the source by itself, which files and memory allow. */
export type TeeStrategy = "separate" | "tee" | "buffered" | "portable";

export interface TeeOptions {
  /** Where in the source to start, in bytes; for sources with positions. Default 0. */
  readonly offset?: ByteCount | undefined;
  /** Most bytes to give to each target. Default: to the source's end. */
  readonly length?: ByteCount | undefined;
  /**
   * What is done about a target that can't keep up. "pace": all wait for the slowest. "drop": one that is `lag` bytes
   * behind the fastest, and still is 50 ms later, is left out, and its report says so. Files and memory as sources hold
   * up nobody. Default "pace".
   */
  readonly slowest?: "pace" | "drop" | undefined;
  /**
   * How many bytes a target may be behind the fastest, and as many are kept for it: at most what the kernel lets a pipe
   * hold (/proc/sys/fs/pipe-max-size, 1 MiB unless changed; pipe(7)), and less where the source gives few bytes at a time,
   * for a pipe counts pages. A target whose pipe is full is as far behind as it can be. Bytes. Default 1 MiB.
   */
  readonly lag?: ByteCount | undefined;
  /** What a target's failure means: "drop": the others go on. "end": all end, with its error. Default "drop". */
  readonly onFailure?: "drop" | "end" | undefined;
  /** "auto", or one way of doing it, which is never swapped for another. Default "auto". */
  readonly strategy?: "auto" | TeeStrategy | undefined;
  /** Targets that are paths appear whole or not at all, also where the source breaks off. Default false. */
  readonly atomic?: boolean | undefined;
  /** Targets that are paths are on the disk before this resolves. Default false. */
  readonly durable?: boolean | undefined;
  readonly signal?: AbortSignalLike | undefined;
}

/** What became of one target. */
export interface TeeTargetReport {
  /**
   * "complete": it has every byte that was to be given. "dropped": it was too slow. "failed": of its own, with the
   * others or with the source; `error` says how.
   */
  readonly end: "complete" | "dropped" | "failed";
  /** Bytes that reached it: always a prefix of what was to be given. */
  readonly bytes: number;
  /** The report of its own transfer, from its pipe or from the source, where that reached its end. */
  readonly report: Report | undefined;
  readonly error: TransferError | undefined;
}

export interface TeeReport {
  /** Bytes that were taken from the source; for "separate", the most that a target got. */
  readonly bytes: number;
  readonly strategy: TeeStrategy;
  /** Why it was done in this way. */
  readonly reason: string;
  /** Whether the CPU copied bytes, on the way to any of the targets. */
  readonly copied: Copied;
  /** In the order of the targets. */
  readonly targets: readonly TeeTargetReport[];
  /** System calls, waits and CPU time of the distribution and of all targets together; as in {@link Report}. */
  readonly syscalls: number;
  readonly waits: number;
  readonly cpuNs: number;
  readonly durationNs: number;
}

/** A tee that did not bring its source to its end, or whose targets have all failed. */
export class TeeError extends TransferError {
  /** What became of each target. */
  readonly report: TeeReport;

  constructor(message: string, details: TransferErrorDetails, report: TeeReport) {
    super(message, details);
    this.report = report;
  }
}

/** Checked options. */
export interface TeeRequest {
  readonly offset: number;
  readonly length: number | undefined;
  readonly slowest: "pace" | "drop";
  readonly lag: number;
  readonly onFailure: "drop" | "end";
  readonly strategy: "auto" | TeeStrategy;
  readonly atomic: boolean;
  readonly durable: boolean;
}

const defaultLag = 1 << 20;

const choices = {
  slowest: ["pace", "drop"],
  onFailure: ["drop", "end"],
  strategy: ["auto", "separate", "tee", "buffered", "portable"],
} as const;

function choose<Name extends keyof typeof choices>(name: Name, value: unknown): (typeof choices)[Name][number] {
  const known: readonly (typeof choices)[Name][number][] = choices[name];
  const found = value === undefined ? known[0] : known.find((choice) => choice === value);
  if (found !== undefined) return found;
  throw argumentError("ERR_INVALID_ARG_VALUE", `${name} must be one of ${known.join(", ")}, got ${shown(value)}`);
}

export const teeOptions: Names<TeeOptions> = {
  offset: true,
  length: true,
  slowest: true,
  lag: true,
  onFailure: true,
  strategy: true,
  atomic: true,
  durable: true,
  signal: true,
};

/** @throws TypeError, RangeError */
export function checkTeeOptions(options: TeeOptions): TeeRequest {
  checkKnown(options, teeOptions);
  const { offset, length, atomic, durable, signal } = options;
  const request = checkOptions({ offset, length, atomic, durable, signal });
  const lag = optionalCount("lag", options.lag) ?? defaultLag;
  if (lag < 4096 || lag > 0x7fffffff)
    throw argumentError("ERR_OUT_OF_RANGE", `lag must be from 4096 to 2147483647 bytes, got ${lag}`);
  return {
    offset: request.offset,
    length: request.length,
    atomic: request.atomic,
    durable: request.durable,
    lag,
    slowest: choose("slowest", options.slowest),
    onFailure: choose("onFailure", options.onFailure),
    strategy: choose("strategy", options.strategy),
  };
}

/**
 * PURE: which targets are too far behind the fastest. `taken` are the bytes that each has taken, undefined for one that
 * is out of the race.
 */
export function laggards(taken: readonly (number | undefined)[], lag: number): readonly number[] {
  const fastest = Math.max(0, ...taken.filter((bytes) => bytes !== undefined));
  return [...taken.entries()].flatMap(([index, bytes]) =>
    bytes !== undefined && fastest - bytes >= lag ? [index] : [],
  );
}

/** PURE: who alone keeps the others waiting: its pipe is full, and the fastest has all that it could be given. */
export function holdsUp(
  taken: readonly (number | undefined)[],
  full: { readonly index: number; readonly given: number } | undefined,
): number | undefined {
  const own = full === undefined ? undefined : taken[full.index];
  if (full === undefined || own === undefined) return undefined;
  const fastest = Math.max(...taken.filter((bytes) => bytes !== undefined));
  return fastest >= full.given && own < fastest ? full.index : undefined;
}

/**
 * PURE: who is to be dropped: who is behind at this look and was at the one before. Once may be chance, for a quick one,
 * too, is behind by a whole pipe where its thread has not had its turn.
 */
export function stillBehind(before: readonly number[], now: readonly number[]): readonly number[] {
  return now.filter((index) => before.includes(index));
}
