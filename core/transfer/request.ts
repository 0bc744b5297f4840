/** The options of a transfer, checked before any byte moves. */
import { argumentError, shown, TransferError } from "../error.ts";
import {
  type AbortSignalLike,
  type ByteCount,
  checkFlag,
  checkKnown,
  checkSignal,
  type Names,
  optionalCount,
} from "../options.ts";
import type { CacheMode, Strategy } from "../plan/kernel.ts";
import { checkHoldMs, type Consistency, consistencies, type OnLeaseBreak, onLeaseBreaks } from "../lease.ts";
import { strategies, strategyNames } from "../plan/strategies.ts";

export interface TransferOptions {
  /** Where in the source to start, in bytes. Default 0. A source fd's own position is neither used nor moved. */
  readonly offset?: ByteCount | undefined;
  /** Most bytes to move; `Infinity` or undefined: to the end of the file as it is at the start, or to a stream's end. */
  readonly length?: ByteCount | undefined;
  /** Where in the target file to write, in bytes. Default: 0 for a path, the fd's own position (which moves) else. */
  readonly targetOffset?: ByteCount | undefined;
  /** "auto", one mechanism, or an ordered list of them. What is forced is never silently swapped for another. */
  readonly strategy?: "auto" | Strategy | readonly Strategy[] | undefined;
  /**
   * `false` forbids the portable path: where no native mechanism serves the pair, the transfer fails with
   * `ERR_SLUICE_UNSUPPORTED` and nothing is touched. Default true.
   */
  readonly fallback?: boolean | undefined;
  /**
   * What a change to the source under way means. "live": it may reach the peer. "leased": a lease is held until the peer
   * has acknowledged the last byte, so that no other can write or truncate the file unnoticed; a writer waits meanwhile.
   * "snapshot": the file is saved first (FICLONERANGE, else a copy), and that is sent. The last two are for regular
   * files, and "leased" needs the engine: where they can't be had the transfer fails. Default "live".
   */
  readonly consistency?: Consistency | undefined;
  /**
   * What is done when another process wants to change a leased source. "finish": go on, and release at the end. "abort": stop
   * and release. "snapshot": save what is left, release and go on from the copy; so that this keeps its promise, only
   * mechanisms that copy are used. A transfer that has to release before its end fails with
   * `ERR_SLUICE_LEASE_BROKEN`. Default "finish".
   */
  readonly onLeaseBreak?: OnLeaseBreak | undefined;
  /**
   * For how long another process may be held up by the lease, in milliseconds. Default, and most: seven eighths of
   * /proc/sys/fs/lease-break-time, which is 45 s unless it was changed.
   */
  readonly leaseHoldMs?: number | undefined;
  /**
   * How the page cache is treated. "normal": by the kernel's own rules. "direct": past it, by O_DIRECT; the same as
   * `strategy: "direct"`. "dontcache": it is left as it was, by whichever mechanism; what others had there
   * stays. `ERR_SLUICE_UNSUPPORTED` where that can't be kept. Default "normal".
   */
  readonly cache?: CacheMode | undefined;
  /**
   * For a path as target: who opens it finds the old file or the complete new one, never half, also after a failure,
   * an abort or a crash. The bytes go into an unnamed temporary beside it (O_TMPFILE, Linux 3.11; a named one where the
   * filesystem has none), which gets the name at the end. Owner, mode and attributes of the old file stay
   * (https://github.com/sluice-js/sluice/blob/main/docs/behaviour.md),
   * and so does a symbolic link.
   * Excludes `targetOffset`. Default false: a path is emptied and written, and keeps what had come when it fails.
   */
  readonly atomic?: boolean | undefined;
  /** For a path as target: fsync the file, and the folder that it is new in, before resolving. Default false. */
  readonly durable?: boolean | undefined;
  /** Aborts the transfer: it rejects with an AbortError that says how many bytes had moved. */
  readonly signal?: AbortSignalLike | undefined;
  /** Called with the bytes moved so far, at most about ten times a second, and once at the end. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

export const transferOptions: Names<TransferOptions> = {
  offset: true,
  length: true,
  targetOffset: true,
  strategy: true,
  fallback: true,
  consistency: true,
  onLeaseBreak: true,
  leaseHoldMs: true,
  cache: true,
  atomic: true,
  durable: true,
  signal: true,
  onProgress: true,
};

/** Checked options; what `select` reads. */
export interface TransferRequest {
  readonly offset: number;
  readonly length: number | undefined;
  readonly targetOffset: number | undefined;
  readonly strategy: "auto" | readonly Strategy[];
  readonly fallback: boolean;
  readonly cache: CacheMode;
  readonly consistency: Consistency;
  readonly onLeaseBreak: OnLeaseBreak;
  /** 0: as long as is safe. */
  readonly leaseHoldMs: number;
  readonly atomic: boolean;
  readonly durable: boolean;
}

function checkStrategy(value: unknown): "auto" | readonly Strategy[] {
  if (value === undefined || value === "auto") return "auto";
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  const isStrategy = (item: unknown): item is Strategy => typeof item === "string" && Object.hasOwn(strategies, item);
  if (list.length === 0 || !list.every(isStrategy))
    throw argumentError(
      "ERR_INVALID_ARG_VALUE",
      `strategy must be "auto" or one or more of ${strategyNames.join(", ")}, got ${shown(value)}`,
    );
  // The caller may change its own while the transfer runs.
  return [...list];
}

/** How a transfer may treat the page cache. */
export const cacheModes: readonly CacheMode[] = ["normal", "direct", "dontcache"];

/** One of the modes that this version has, by default the first: asking for another is an error, never ignored. */
function checkMode<Mode extends string>(name: string, known: readonly Mode[], value: unknown): Mode {
  const found = value === undefined ? known[0] : known.find((mode) => mode === value);
  if (found !== undefined) return found;
  const list = known.map((mode) => `"${mode}"`).join(", ");
  throw new TransferError(`Cannot transfer: ${name} "${shown(value)}" is not available, only ${list}`, {
    code: "ERR_SLUICE_UNSUPPORTED",
  });
}

/** "direct" is a mechanism of its own, so that no other one can be asked for at the same time. */
function checkCache(value: unknown, strategy: "auto" | readonly Strategy[]): CacheMode {
  const cache = checkMode("cache", cacheModes, value);
  if (cache === "direct" && strategy !== "auto" && strategy.some((name) => name !== "direct"))
    throw argumentError("ERR_INVALID_ARG_VALUE", `cache "direct" excludes the strategy ${strategy.join(", ")}`);
  return cache;
}

/**
 * Checks the options of a transfer.
 *
 * @throws TypeError, RangeError for values of a wrong type or range
 * @throws TransferError `ERR_SLUICE_UNSUPPORTED` for a consistency or cache mode that this version lacks
 */
export function checkOptions(options: TransferOptions = {}): TransferRequest {
  checkKnown(options, transferOptions);
  checkSignal(options.signal);
  if (options.onProgress !== undefined && typeof options.onProgress !== "function")
    throw argumentError("ERR_INVALID_ARG_TYPE", `onProgress must be a function, got ${typeof options.onProgress}`);
  const fallback = checkFlag("fallback", options.fallback, true);
  const atomic = checkFlag("atomic", options.atomic, false);
  const durable = checkFlag("durable", options.durable, false);
  if (atomic && options.targetOffset !== undefined)
    throw argumentError("ERR_INVALID_ARG_VALUE", "atomic makes a new file, so targetOffset can't be given");
  const strategy = checkStrategy(options.strategy);
  return {
    offset: optionalCount("offset", options.offset) ?? 0,
    length: options.length === Infinity ? undefined : optionalCount("length", options.length),
    targetOffset: optionalCount("targetOffset", options.targetOffset),
    strategy,
    fallback,
    cache: checkCache(options.cache, strategy),
    consistency: checkMode("consistency", consistencies, options.consistency),
    onLeaseBreak: checkMode("onLeaseBreak", onLeaseBreaks, options.onLeaseBreak),
    leaseHoldMs: checkHoldMs("leaseHoldMs", options.leaseHoldMs),
    atomic,
    durable,
  };
}
