/**
 * The one error of a transfer. Match on `code`; messages may be reworded in any version.
 *
 * | code | meaning |
 * | --- | --- |
 * | an errno name | the kernel's answer: `EPIPE`, `ECONNRESET`, `ENOSPC`, `EISDIR`, `EBADF` … |
 * | `ABORT_ERR` | the signal was aborted (the error's `name` is then "AbortError") |
 * | `ERR_SLUICE_TRUNCATED` | the source ended before the bytes that it had when the transfer started |
 * | `ERR_SLUICE_UNSUPPORTED` | no mechanism serves this pair of ends, or a forced one does not |
 * | `ERR_SLUICE_OVERLAP` | source and target are one file and the ranges overlap |
 * | `ERR_SLUICE_CLOSED` | the runtime's object for one end was closed during the transfer |
 * | `ERR_SLUICE_LEASE_BROKEN` | somebody wanted to change the source, and its lease had to be released before the end |
 * | `ERR_SLUICE_CHANGED` | the source was changed while a snapshot of it was made |
 * | `ERR_SLUICE_LIMIT` | a limit that the host has set a WebAssembly guest: open handles, or bytes |
 * | `ERR_HTTP_CONTENT_LENGTH_MISMATCH` | the source has more bytes than the target's head has promised |
 * | `ERR_INVALID_STATE` | the source is the body of a Request, or another ReadableStream, that is being read by others or was |
 * | `ERR_STREAM_WRITE_AFTER_END` | the target stream was ended before |
 * | `ERR_SLUICE_FAILED` | the runtime failed without a code of its own; see `cause` |
 *
 * Arguments of a wrong type or range throw `TypeError` and `RangeError` with `ERR_INVALID_ARG_TYPE`,
 * `ERR_INVALID_ARG_VALUE` or `ERR_OUT_OF_RANGE`, as the platform's own functions do.
 */
import type { Strategy } from "./plan/kernel.ts";
import type { ProxyFailure } from "./proxy-report.ts";
import type { Attempt, Report } from "./transfer/report.ts";

export interface TransferErrorDetails {
  readonly code: string;
  /** Positive errno number, where the kernel gave one. */
  readonly errno?: number | undefined;
  /** The system call that failed, by its own name. */
  readonly syscall?: string | undefined;
  readonly strategy?: Strategy | undefined;
  /** The end that failed, where that is known. */
  readonly failed?: "source" | "target" | undefined;
  /** Bytes that reached the target before the failure. */
  readonly bytesTransferred?: number | undefined;
  /** Bytes taken from a source without positions (socket, pipe) that did not reach the target. */
  readonly bytesStranded?: number | undefined;
  /** Where in the source the failure was, in bytes. */
  readonly sourceOffset?: number | undefined;
  readonly attempts?: readonly Attempt[] | undefined;
  /** How far each direction of a proxied pair came. */
  readonly proxy?: ProxyFailure | undefined;
  readonly path?: string | undefined;
  readonly dest?: string | undefined;
  readonly cause?: unknown;
}

/** The paths of a call, as it was given them. */
export type Paths = Pick<TransferErrorDetails, "path" | "dest">;

/** A transfer that could not start or did not reach its end. It always says how far it came. */
export class TransferError extends Error {
  override readonly name: string;
  readonly code: string;
  readonly errno: number | undefined;
  readonly syscall: string | undefined;
  readonly strategy: Strategy | undefined;
  readonly failed: "source" | "target" | undefined;
  readonly bytesTransferred: number;
  readonly bytesStranded: number;
  readonly sourceOffset: number | undefined;
  readonly attempts: readonly Attempt[];
  readonly proxy: ProxyFailure | undefined;
  /** As errors of node:fs have it: the path that was read, or the only one of the call; undefined where that was none. */
  readonly path: string | undefined;
  /** As errors of node:fs have it: the path that was written, of a call with a source and a target. */
  readonly dest: string | undefined;

  constructor(message: string, details: TransferErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = details.code === "ABORT_ERR" ? "AbortError" : "TransferError";
    this.code = details.code;
    this.errno = details.errno;
    this.syscall = details.syscall;
    this.strategy = details.strategy;
    this.failed = details.failed;
    this.bytesTransferred = details.bytesTransferred ?? 0;
    this.bytesStranded = details.bytesStranded ?? 0;
    this.sourceOffset = details.sourceOffset;
    this.attempts = details.attempts ?? [];
    this.proxy = details.proxy;
    this.path = details.path;
    this.dest = details.dest;
  }
}

/** The same failure with other details. One error may be told of several calls, so that it stays as it is. */
function retold(error: TransferError, details: Partial<TransferErrorDetails>): TransferError {
  const told = new TransferError(error.message, { ...error, cause: error.cause, ...details });
  if (error.stack !== undefined) told.stack = error.stack;
  return told;
}

/** A failure with the paths of the call, where it doesn't tell its own. What is no TransferError stays what it is. */
export function withPaths(error: TransferError, paths: Paths): TransferError;
export function withPaths(error: unknown, paths: Paths): unknown;
export function withPaths(error: unknown, paths: Paths): unknown {
  if (!(error instanceof TransferError)) return error;
  const path = error.path ?? paths.path;
  const dest = error.dest ?? paths.dest;
  return path === error.path && dest === error.dest ? error : retold(error, { path, dest });
}

/** Makes a call, and tells its failure with the paths of the call. */
export function withPathsIn<T>(paths: Paths, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw withPaths(error, paths);
  }
}

/** What a call comes to, its failure with the paths of the call. */
export async function tellingPaths<T>(paths: Paths, call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw withPaths(error, paths);
  }
}

/** A failure that comes after bytes have moved, told with how far that was. What is no TransferError stays what it is. */
export function withProgress(error: unknown, { bytes, strategy, attempts }: Moved): unknown {
  if (!(error instanceof TransferError) || error.attempts.length > 0) return error;
  return retold(error, { strategy, bytesTransferred: bytes, attempts });
}

/** The part of a report that an error carries, too. */
type Moved = Pick<Report, "bytes" | "strategy" | "attempts">;

type ArgumentCode = "ERR_INVALID_ARG_TYPE" | "ERR_INVALID_ARG_VALUE" | "ERR_OUT_OF_RANGE";

/** A TypeError or RangeError that carries the platform's own code. */
export function argumentError(code: ArgumentCode, message: string): TypeError | RangeError {
  const error = code === "ERR_OUT_OF_RANGE" ? new RangeError(message) : new TypeError(message);
  return Object.assign(error, { code });
}

/** The code that the platform put on what was thrown, such as "ENOENT" or "ERR_INVALID_ARG_VALUE". */
export function thrownCode(thrown: unknown): string | undefined {
  return thrownText(thrown, "code");
}

/** A text of what was thrown, by its name; undefined where it has none. */
export function thrownText(thrown: unknown, name: "code" | "syscall"): string | undefined {
  if (typeof thrown !== "object" || thrown === null) return undefined;
  const value: unknown = (thrown as Partial<Record<typeof name, unknown>>)[name];
  return typeof value === "string" ? value : undefined;
}

/** A value for a message. Unlike String() it never throws, whatever it is given. */
export function shown(value: unknown): string {
  if (typeof value === "function") return "a function";
  return typeof value === "object" && value !== null ? Object.prototype.toString.call(value) : String(value);
}
