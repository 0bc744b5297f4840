/**
 * The mechanisms, one row each: which pairs of ends a row serves, which errnos mean "not here, use
 * another", and what it costs. Selection, fallback and `explain` all read this table.
 */
import { type Endpoint, hasPositions } from "./endpoint.ts";
import type { Strategy } from "./kernel.ts";
import type { Copied } from "./report.ts";

/** What the row needs to know of a request beyond its two ends. */
export interface Range {
  /** Undefined is the target's own position. */
  readonly targetOffset: number | undefined;
}

export interface StrategyRow {
  /** The system calls of a round, by their own names: what touches the target first, what touches the source last. */
  readonly syscalls: readonly string[];
  /** Why the row can't serve this pair, or undefined where it can. */
  readonly unfit: (source: Endpoint, target: Endpoint, range: Range) => string | undefined;
  /** Errno names that mean "another mechanism may do it". Everything else is the caller's to know. */
  readonly refusals: ReadonlySet<string>;
  /** Refusals that say in general what these ends can't do: `ERR_SLUICE_UNSUPPORTED` where nothing else is to be tried. */
  readonly unsupported?: Readonly<Record<string, string>>;
  /** Whether a 0 before any byte may come from a filesystem that can't do this, not from the end of file. */
  readonly zeroMayRefuse: boolean;
  /** CPU copies of each byte, in words, without those of the target's own hardware. */
  readonly copies: string;
  /** User-to-kernel-and-back switches per round, counted as in the literature: two for each call. */
  readonly switches: number;
  readonly copied: (source: Endpoint, target: Endpoint) => Copied;
  /** One line for `explain`: what it is good for. */
  readonly about: string;
}

const refusals = (...names: string[]): ReadonlySet<string> => new Set(names);

const isFile = ({ kind }: Endpoint) => kind === "file";
const isPipe = ({ kind }: Endpoint) => kind === "pipe";
/** A ring is no descriptor: only its own mechanism, and the runtime's own calls, can reach it. */
export const isRing = ({ kind }: Endpoint): boolean => kind === "ring";
const isSocket = ({ kind }: Endpoint) => kind === "socket";
const always = (answer: Copied) => () => answer;

/** sendfile and splice have no per-call flag for "don't wait" on a socket; only the socket's own counts. */
const wouldBlockWorker = (target: Endpoint): string | undefined =>
  isSocket(target) && !target.nonblocking ? "the socket is in blocking mode and would hold a worker" : undefined;

/** Linux refuses to splice into O_APPEND files (EINVAL) and to copy_file_range into them (EBADF). */
const appends = (target: Endpoint): string | undefined =>
  target.append ? "the target is open with O_APPEND" : undefined;

const filesOnly = (source: Endpoint, target: Endpoint): string | undefined =>
  isFile(source) && isFile(target) ? undefined : "it works between regular files alone";

export const strategies: Readonly<Record<Strategy, StrategyRow>> = {
  reflink: {
    syscalls: ["ioctl"],
    unfit: (source, target, { targetOffset }) =>
      filesOnly(source, target) ??
      appends(target) ??
      (targetOffset === undefined ? "it takes explicit offsets only" : undefined),
    refusals: refusals(
      "EOPNOTSUPP",
      "EXDEV",
      "EINVAL",
      "ENOTTY",
      "ENOSYS",
      "EPERM",
      "EACCES",
      "ETXTBSY",
      "EBADF",
      "EIO",
    ),
    zeroMayRefuse: true,
    copies: "0",
    switches: 2,
    copied: always("no"),
    about: "shares the blocks until one side is written (FICLONERANGE; btrfs, xfs, Linux 4.5)",
  },
  copyFileRange: {
    syscalls: ["copy_file_range"],
    unfit: (source, target) => filesOnly(source, target) ?? appends(target),
    refusals: refusals("ENOSYS", "EXDEV", "EINVAL", "EIO", "EOPNOTSUPP", "EPERM", "EBADF", "EOVERFLOW", "ETXTBSY"),
    zeroMayRefuse: true,
    copies: "0 or 1",
    switches: 2,
    copied: always("unknown"),
    about: "lets the filesystem copy in the kernel or on its server (Linux 4.5)",
  },
  sendfile: {
    syscalls: ["sendfile"],
    unfit: (source, target, { targetOffset }) => {
      if (!isFile(source) && source.kind !== "blockDevice") return "its source must be a file";
      if (isPipe(target) && !target.nonblocking) return "the pipe is in blocking mode and would hold a worker";
      if (hasPositions(target) && targetOffset !== undefined) return "it writes at the target's own position only";
      return appends(target) ?? wouldBlockWorker(target);
    },
    refusals: refusals("EINVAL", "ENOSYS", "EPERM", "EOVERFLOW", "EOPNOTSUPP"),
    zeroMayRefuse: false,
    copies: "0 with a scatter/gather NIC, else 1",
    switches: 2,
    copied: (_source, target) => (hasPositions(target) ? "yes" : "unknown"),
    about: "hands page-cache pages to the socket (Linux 2.2; to files and pipes 2.6.33)",
  },
  splice: {
    syscalls: ["splice"],
    unfit: (_source, target) => appends(target) ?? wouldBlockWorker(target),
    refusals: refusals("EINVAL", "ENOSYS", "EPERM", "EOVERFLOW", "EOPNOTSUPP"),
    zeroMayRefuse: false,
    copies: "0 or 1",
    switches: 4,
    copied: (_source, target) => (hasPositions(target) ? "yes" : "unknown"),
    about: "moves page references through a pipe, between any two ends (Linux 2.6.17)",
  },
  buffered: {
    syscalls: ["write", "read"],
    unfit: () => undefined,
    refusals: refusals(),
    zeroMayRefuse: false,
    copies: "2",
    switches: 4,
    copied: always("yes"),
    about: "reads and writes through a buffer, on the engine's threads",
  },
  mapped: {
    syscalls: ["write", "mmap"],
    unfit: (source) => (isFile(source) && source.size !== undefined ? undefined : "its source must be a mappable file"),
    refusals: refusals("ENODEV", "EACCES", "EINVAL", "EPERM", "ENOMEM"),
    zeroMayRefuse: false,
    copies: "1",
    switches: 4,
    copied: always("yes"),
    about: "maps a window of the file and writes from it",
  },
  direct: {
    syscalls: ["write", "read"],
    unfit: (source) =>
      isFile(source) || source.kind === "blockDevice" ? undefined : "its source must be a file or a block device",
    refusals: refusals("EINVAL", "EACCES", "EPERM", "ENOENT", "EROFS", "ETXTBSY", "ENOMEM"),
    unsupported: { EINVAL: "the filesystem has no direct I/O for this file" },
    zeroMayRefuse: false,
    copies: "0 between files, else 1",
    switches: 4,
    copied: (_source, target) => (hasPositions(target) ? "unknown" : "yes"),
    about: "reads and writes past the page cache (O_DIRECT, Linux 2.6)",
  },
  sharedRing: {
    // The ring's own side has none: its memory is read and written as memory.
    syscalls: ["write", "read"],
    unfit: (source, target) => {
      if (isRing(source) && isRing(target)) return "one of its ends is a descriptor";
      return isRing(source) || isRing(target) ? undefined : "neither end is a shared ring";
    },
    refusals: refusals(),
    zeroMayRefuse: false,
    copies: "1 on each side",
    switches: 2,
    copied: always("yes"),
    about: "reads into, or writes out of, memory that two processes share (memfd_create, Linux 3.17)",
  },
  portable: {
    syscalls: ["write", "read"],
    unfit: () => undefined,
    refusals: refusals(),
    zeroMayRefuse: false,
    copies: "2 or more",
    switches: 4,
    copied: always("yes"),
    about: "the runtime's own reads and writes",
  },
};

/** Every strategy's name. */
export const strategyNames = Object.keys(strategies) as Strategy[];
