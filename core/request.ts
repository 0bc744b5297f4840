/** The options of a transfer, checked before any byte moves. */
import { argumentError, shown, TransferError } from "./error.ts";
import type { Strategy } from "./kernel.ts";
import { strategies, strategyNames } from "./strategies.ts";

/** A number of bytes: a safe integer, or a bigint that is one. */
export type ByteCount = number | bigint;

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
  /** What a change to the source under way means. Only "live" so far: edits may still reach the peer. */
  readonly consistency?: "live" | undefined;
  /** How the page cache is used. Only "normal" so far. */
  readonly cache?: "normal" | undefined;
  /** Aborts the transfer: it rejects with an AbortError that says how many bytes had moved. */
  readonly signal?: AbortSignalLike | undefined;
  /** Called with the bytes moved so far, at most about ten times a second, and once at the end. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

/** The part of the platform's AbortSignal that core knows of. */
export interface AbortSignalLike {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: "abort", listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/** Checked options; what `select` reads. */
export interface Request {
  readonly offset: number;
  readonly length: number | undefined;
  readonly targetOffset: number | undefined;
  readonly strategy: "auto" | readonly Strategy[];
  readonly fallback: boolean;
}

function byteCount(name: string, value: unknown): number {
  if (typeof value !== "number" && typeof value !== "bigint")
    throw argumentError("ERR_INVALID_ARG_TYPE", `${name} must be a number or bigint of bytes, got ${typeof value}`);
  const count = Number(value);
  if (!Number.isSafeInteger(count) || count < 0)
    throw argumentError("ERR_OUT_OF_RANGE", `${name} must be a whole number from 0 to 2^53 - 1, got ${shown(value)}`);
  return count;
}

function optionalCount(name: string, value: unknown): number | undefined {
  return value === undefined ? undefined : byteCount(name, value);
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
  return list;
}

/** Options that later versions widen: asking for more than this one has is an error, never ignored. */
const onlyChoice = { consistency: "live", cache: "normal" } as const;

/**
 * Checks the options of a transfer.
 *
 * @throws TypeError, RangeError for values of a wrong type or range
 * @throws TransferError `ERR_SLUICE_UNSUPPORTED` for a consistency or cache mode that this version lacks
 */
export function checkOptions(options: TransferOptions = {}): Request {
  checkObject(options);
  for (const [name, choice] of Object.entries(onlyChoice)) {
    const value: unknown = options[name as keyof typeof onlyChoice];
    if (value !== undefined && value !== choice)
      throw new TransferError(`Cannot transfer: ${name} "${shown(value)}" is not available, only "${choice}" is`, {
        code: "ERR_SLUICE_UNSUPPORTED",
      });
  }
  checkSignal(options.signal);
  if (options.onProgress !== undefined && typeof options.onProgress !== "function")
    throw argumentError("ERR_INVALID_ARG_TYPE", `onProgress must be a function, got ${typeof options.onProgress}`);
  if (options.fallback !== undefined && typeof options.fallback !== "boolean")
    throw argumentError("ERR_INVALID_ARG_TYPE", `fallback must be a boolean, got ${typeof options.fallback}`);
  return {
    offset: optionalCount("offset", options.offset) ?? 0,
    length: options.length === Infinity ? undefined : optionalCount("length", options.length),
    targetOffset: optionalCount("targetOffset", options.targetOffset),
    strategy: checkStrategy(options.strategy),
    fallback: options.fallback ?? true,
  };
}

/** @throws TypeError for options that are no object */
export function checkObject(options: unknown): void {
  if (typeof options !== "object" || options === null || Array.isArray(options))
    throw argumentError("ERR_INVALID_ARG_TYPE", `options must be an object, got ${shown(options)}`);
}

function checkSignal(signal: unknown): void {
  if (signal === undefined) return;
  const methods = ["addEventListener", "removeEventListener"] as const;
  const isListenedTo = (value: object): boolean =>
    methods.every((name) => typeof (value as Partial<Record<string, unknown>>)[name] === "function");
  if (typeof signal !== "object" || signal === null || !("aborted" in signal && isListenedTo(signal)))
    throw argumentError("ERR_INVALID_ARG_TYPE", `signal must be an AbortSignal, got ${shown(signal)}`);
}
