/** Errors of the kernel and of the runtime's file-system API, as TransferErrors. */
import { errnoName, errnoNumber, errnoText, isErrnoName } from "../../core/abi/errno.ts";
import { TransferError } from "../../core/error.ts";

/**
 * The code of an error, such as "ENOENT" or "ERR_INVALID_ARG_VALUE": the one that the platform put on it. Deno has none
 * for a refusal for want of a permission, nor for errnos that it has no class for, whose numbers its message tells.
 */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  if ("code" in error && typeof error.code === "string") return error.code;
  if (!(error instanceof Error)) return undefined;
  if (error.name === "NotCapable") return "EACCES";
  const [, errno] = /\(os error (\d+)\)/.exec(error.message) ?? [];
  return errno === undefined ? undefined : errnoName(Number(errno));
}

/** A TransferError for a system call that failed before any byte moved. */
export function callFailed(
  what: string,
  syscall: string,
  code: string,
  cause?: unknown,
  text = errnoText(code),
): TransferError {
  const errno = errnoNumber(code);
  return new TransferError(`Cannot ${what}: ${text} (${code}, ${syscall})`, {
    code,
    errno: errno > 0 ? errno : undefined,
    syscall,
    cause,
  });
}

/** Gives an error of the file system the shape of ours; what is about an argument, or a bug, stays what it is. */
export function explained(error: unknown, what: string, syscall: string): unknown {
  const code = codeOf(error);
  return code === undefined || code.startsWith("ERR_") ? error : callFailed(what, syscall, code, error);
}

/** Runs a call of the file-system API and explains its error. */
export async function fsCall<T>(what: string, syscall: string, promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    throw explained(error, what, syscall);
  }
}

/** Codes by which runtimes say that a stream or socket was closed, and one name for what else they call differently. */
const otherNames: Readonly<Record<string, string>> = {
  ERR_STREAM_DESTROYED: "ERR_SLUICE_CLOSED",
  ERR_STREAM_PREMATURE_CLOSE: "ERR_SLUICE_CLOSED",
  ERR_SOCKET_CLOSED: "ERR_SLUICE_CLOSED",
  // What libuv says to writes that were queued when the socket was closed.
  ECANCELED: "ERR_SLUICE_CLOSED",
  ERR_SOCKET_CLOSED_BEFORE_CONNECTION: "ERR_SLUICE_CLOSED",
  ERR_ACCESS_DENIED: "EACCES",
};

/** Whether an error says that somebody closed the object. */
export function saysClosed(error: unknown): boolean {
  return otherNames[codeOf(error) ?? ""] === "ERR_SLUICE_CLOSED";
}

/** Whether it is about an argument, or a bug. Deno tells some errnos, such as EINVAL, by a TypeError. */
const isOfArgument = (error: Error, code: string): boolean =>
  (error instanceof TypeError || error instanceof RangeError) && !isErrnoName(code);

/** The error that a transfer rejects with: what a runtime threw, in our shape, unless it is about an argument. */
export function asTransferError(error: unknown): unknown {
  if (error instanceof TransferError || !(error instanceof Error)) return error;
  const code = codeOf(error);
  if (code === undefined || isOfArgument(error, code)) return error;
  const known = otherNames[code] ?? code;
  const errno = errnoNumber(known);
  return new TransferError(`Cannot transfer: ${error.message} (${known})`, {
    code: known,
    errno: errno > 0 ? errno : undefined,
    cause: error,
  });
}
