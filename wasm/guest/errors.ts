/** What the host answers, and what the guest throws. */
import type { Error as WitError } from "sluice:transfer/types@0.1.0";
import type { ErrorCode } from "wasi:filesystem/types@0.2.12";
import { errorCase, guestDialect } from "#core/component.js";
import { type ErrnoName, errnoNumber, errnoText } from "#core/errno.js";
import { TransferError } from "#core/error.js";

/** The errno behind each code of wasi:filesystem. */
const errnos: Readonly<Record<ErrorCode, ErrnoName>> = {
  access: "EACCES",
  "would-block": "EAGAIN",
  already: "EALREADY",
  "bad-descriptor": "EBADF",
  busy: "EBUSY",
  deadlock: "EDEADLK",
  quota: "EDQUOT",
  exist: "EEXIST",
  "file-too-large": "EFBIG",
  "illegal-byte-sequence": "EILSEQ",
  "in-progress": "EINPROGRESS",
  interrupted: "EINTR",
  invalid: "EINVAL",
  io: "EIO",
  "is-directory": "EISDIR",
  loop: "ELOOP",
  "too-many-links": "EMLINK",
  "message-size": "EMSGSIZE",
  "name-too-long": "ENAMETOOLONG",
  "no-device": "ENODEV",
  "no-entry": "ENOENT",
  "no-lock": "ENOLCK",
  "insufficient-memory": "ENOMEM",
  "insufficient-space": "ENOSPC",
  "not-directory": "ENOTDIR",
  "not-empty": "ENOTEMPTY",
  "not-recoverable": "ENOTRECOVERABLE",
  unsupported: "EOPNOTSUPP",
  "no-tty": "ENOTTY",
  "no-such-device": "ENXIO",
  overflow: "EOVERFLOW",
  "not-permitted": "EPERM",
  pipe: "EPIPE",
  "read-only": "EROFS",
  "invalid-seek": "ESPIPE",
  "text-file-busy": "ETXTBSY",
  "cross-device": "EXDEV",
};

const isCode = (value: unknown): value is ErrorCode => typeof value === "string" && Object.hasOwn(errnos, value);

/** The name of the errno that a call of wasi:filesystem threw; undefined where it threw something else. */
export function errnoOf(thrown: unknown): ErrnoName | undefined {
  if (isCode(thrown)) return errnos[thrown];
  const payload: unknown = typeof thrown === "object" && thrown !== null ? (thrown as { payload?: unknown }).payload : undefined;
  return isCode(payload) ? errnos[payload] : undefined;
}

/** A failed call as an error, with the errno's name where there is one. */
export function callFailed(what: string, syscall: string, thrown: unknown): TransferError {
  const code = errnoOf(thrown);
  if (code === undefined) return new TransferError(`Cannot ${what}: ${String(thrown)}`, { code: "ERR_SLUICE_FAILED", cause: thrown });
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
    // oxlint-disable-next-line no-throw-literal
    throw thrown;
  }
}
