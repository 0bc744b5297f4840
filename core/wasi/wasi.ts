/** The codes of wasi:filesystem beside the errnos that they stand for. */
import type { ErrnoName } from "../abi/errno.ts";

export const wasiErrnos = {
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
} as const satisfies Readonly<Record<string, ErrnoName>>;

export type WasiCode = keyof typeof wasiErrnos;

const codes = new Map<string, WasiCode>(Object.entries(wasiErrnos).map(([code, errno]) => [errno, code as WasiCode]));

/** Errnos that have no code of their own. */
const nearest: Readonly<Record<string, WasiCode>> = {
  EMFILE: "insufficient-memory",
  ENFILE: "insufficient-memory",
  ENOSYS: "unsupported",
  ENOBUFS: "insufficient-memory",
};

export function isWasiCode(value: unknown): value is WasiCode {
  return typeof value === "string" && Object.hasOwn(wasiErrnos, value);
}

/** The code for an errno's name; `io` where there is nothing nearer. */
export function wasiCode(errno: string): WasiCode {
  return codes.get(errno) ?? nearest[errno] ?? "io";
}
