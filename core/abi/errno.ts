/**
 * Linux errno numbers by name (asm-generic/errno-base.h and errno.h; the same on x86-64 and arm64),
 * with what to tell a person.
 */
const table = {
  EPERM: [1, "operation not permitted"],
  ENOENT: [2, "no such file or directory"],
  EINTR: [4, "interrupted"],
  EIO: [5, "input/output error"],
  ENXIO: [6, "no such device or address"],
  EBADF: [9, "bad file descriptor"],
  EAGAIN: [11, "resource temporarily unavailable"],
  ENOMEM: [12, "out of memory"],
  EACCES: [13, "permission denied"],
  EFAULT: [14, "bad address"],
  EBUSY: [16, "resource busy"],
  EEXIST: [17, "file exists"],
  EXDEV: [18, "ends are on different filesystems"],
  ENODEV: [19, "no such device"],
  ENOTDIR: [20, "not a directory"],
  EISDIR: [21, "is a directory"],
  EINVAL: [22, "invalid argument"],
  ENFILE: [23, "too many open files in the system"],
  EMFILE: [24, "too many open files"],
  ENOTTY: [25, "inappropriate ioctl for device"],
  ETXTBSY: [26, "text file busy"],
  EFBIG: [27, "file too large"],
  ENOSPC: [28, "no space left on device"],
  ESPIPE: [29, "illegal seek: the end has no positions"],
  EROFS: [30, "read-only filesystem"],
  EMLINK: [31, "too many links"],
  EPIPE: [32, "broken pipe: the other end is closed"],
  EDEADLK: [35, "it would wait for itself"],
  ENAMETOOLONG: [36, "file name too long"],
  ENOLCK: [37, "no locks available"],
  ENOSYS: [38, "the kernel does not have this call"],
  ENOTEMPTY: [39, "directory not empty"],
  ELOOP: [40, "too many symbolic links"],
  ENODATA: [61, "no data available"],
  EBADMSG: [74, "bad message: what was stored is damaged"],
  EOVERFLOW: [75, "value too large for data type"],
  EILSEQ: [84, "illegal byte sequence"],
  ENOTSOCK: [88, "not a socket"],
  EMSGSIZE: [90, "message too long"],
  ENOPROTOOPT: [92, "protocol option not available"],
  EOPNOTSUPP: [95, "operation not supported"],
  ENETDOWN: [100, "network is down"],
  ENETUNREACH: [101, "network is unreachable"],
  ECONNABORTED: [103, "connection aborted"],
  ECONNRESET: [104, "connection reset by peer"],
  ENOBUFS: [105, "no buffer space available"],
  ENOTCONN: [107, "socket is not connected"],
  ETIMEDOUT: [110, "connection timed out"],
  ECONNREFUSED: [111, "connection refused"],
  EHOSTUNREACH: [113, "no route to host"],
  EALREADY: [114, "already in progress"],
  EINPROGRESS: [115, "in progress"],
  ESTALE: [116, "stale file handle"],
  EDQUOT: [122, "disk quota exceeded"],
  ECANCELED: [125, "operation cancelled"],
  EOWNERDEAD: [130, "the process at the other end died"],
  ENOTRECOVERABLE: [131, "state not recoverable"],
} as const satisfies Record<string, readonly [number, string]>;

/** An errno that this table knows. */
export type ErrnoName = keyof typeof table;

const names = new Map<number, string>(Object.entries(table).map(([name, [number]]) => [number, name]));

/** Whether Linux has an error of this name. */
export function isErrnoName(name: string): name is ErrnoName {
  return Object.hasOwn(table, name);
}

/** All names that this table knows, in the order of their numbers. */
export const errnoNames: readonly ErrnoName[] = Object.keys(table) as ErrnoName[];

/** The name of an errno number, such as "EPIPE"; `E<number>` for one not in the table. */
export function errnoName(errno: number): string {
  return names.get(errno) ?? `E${errno}`;
}

/** The number of an errno name; 0 for a name not in the table. */
export function errnoNumber(name: string): number {
  return isErrnoName(name) ? table[name][0] : 0;
}

/** What an errno name means, in a few words. */
export function errnoText(name: string): string {
  return isErrnoName(name) ? table[name][1] : "unknown error";
}
