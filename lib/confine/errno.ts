/** Errors of the file system, as the errnos that they are. */
import { codeOf } from "../support/system-error.ts";

/** The name of an errno; what is no errno, but a bug, is thrown. */
export function errnoOf(error: unknown): string {
  const code = codeOf(error);
  // For want of a permission of the runtime's.
  if (code === "ERR_ACCESS_DENIED") return "EACCES";
  if (code === undefined || code.startsWith("ERR_")) throw error;
  return code;
}

/** Whatever comes of a call, as an errno where it is one. */
export const orErrno = <T>(promise: Promise<T>): Promise<T | string> => promise.catch(errnoOf);
