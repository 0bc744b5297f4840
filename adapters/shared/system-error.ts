/** Errors of the kernel and of the runtime's file-system API, as TransferErrors. */
import { errnoNumber, errnoText } from "../../core/errno.ts";
import { TransferError } from "../../core/error.ts";

/** The code that the platform put on an error, such as "ENOENT" or "ERR_INVALID_ARG_VALUE". */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** A TransferError for a system call that failed before any byte moved. */
export function callFailed(what: string, syscall: string, code: string, cause?: unknown): TransferError {
  const errno = errnoNumber(code);
  return new TransferError(`Cannot ${what}: ${errnoText(code)} (${code}, ${syscall})`, {
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
