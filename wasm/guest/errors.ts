/** What the host answers, and what the guest throws. */
import type { Error as WitError } from "sluice:transfer/types@0.1.0";
import type { ErrorCode } from "wasi:filesystem/types@0.2.12";
import { errorCase, guestDialect } from "#core/wasi/component.js";
import { type ErrnoName, errnoNumber, errnoText } from "#core/abi/errno.js";
import { TransferError } from "#core/error.js";
import { isWasiCode, wasiErrnos } from "#core/wasi/wasi.js";

/** Fails to compile where WASI has a code that core doesn't know. */
const errnos: Readonly<Record<ErrorCode, ErrnoName>> = wasiErrnos;

/** The name of the errno that a call of wasi:filesystem threw; undefined where it threw something else. */
export function errnoOf(thrown: unknown): ErrnoName | undefined {
  if (isWasiCode(thrown)) return errnos[thrown];
  const payload: unknown =
    typeof thrown === "object" && thrown !== null ? (thrown as { payload?: unknown }).payload : undefined;
  return isWasiCode(payload) ? errnos[payload] : undefined;
}

/** A failed call as an error, with the errno's name where there is one. */
export function callFailed(what: string, syscall: string, thrown: unknown): TransferError {
  const code = errnoOf(thrown);
  if (code === undefined)
    return new TransferError(`Cannot ${what}: ${String(thrown)}`, { code: "ERR_SLUICE_FAILED", cause: thrown });
  const errno = errnoNumber(code);
  return new TransferError(`Cannot ${what}: ${errnoText(code)} (${code}, ${syscall})`, { code, errno, syscall });
}

export function attempt<T>(what: string, syscall: string, call: () => T): T {
  try {
    return call();
  } catch (thrown) {
    throw callFailed(what, syscall, thrown);
  }
}

/** Does what an exported function does; whatever is thrown leaves as a case of the variant. */
export function answering<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    const thrown: WitError = errorCase(error, guestDialect);
    // The value of the variant itself is what the ABI takes: an Error would be a trap.
    throw thrown;
  }
}
