/**
 * The mechanisms, one row each: which pairs of ends a row serves, which errnos mean "not here, use
 * another", and what it costs. Selection, fallback and `explain` all read this table.
 */
import { limits } from "../abi/limits.ts";
import { type Endpoint, hasPositions, isVirtual } from "./endpoint.ts";
import type { Copied, Strategy } from "./kernel.ts";

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
  /**
   * Fewer bytes than that cost less by another mechanism, where the caller has named one. Measured:
   * https://github.com/sluice-js/sluice/blob/main/docs/memory.md
   */
  readonly paysFrom?: number;
  /** Why "auto" leaves it alone, though it could serve the pair: it has to be asked for. */
  readonly onlyAsked?: string;
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

const isMemory = ({ kind }: Endpoint) => kind === "memory";

/** Memory that the kernel refers to must stay as it is until it is released; so little of it is copied when the job is opened. */
const memoryInPlace = (source: Endpoint): string | undefined => {
  if (!isMemory(source)) return "its source must be memory";
  return (source.size ?? 0) > limits.copied_memory_bytes ? undefined : "so few bytes are copied sooner";
};

/** sendfile and splice have no per-call flag for "don't wait" on a socket; only the socket's own counts. */
const wouldBlockWorker = (target: Endpoint): string | undefined =>
  isSocket(target) && !target.nonblocking ? "the socket is in blocking mode and would hold a worker" : undefined;

/** Linux refuses to splice into O_APPEND files (EINVAL) and to copy_file_range into them (EBADF). */
const appends = (target: Endpoint): string | undefined =>
  target.append ? "the target is open with O_APPEND" : undefined;

const filesOnly = (source: Endpoint, target: Endpoint): string | undefined =>
  isFile(source) && isFile(target) ? undefined : "it works between regular files alone";

const withoutBlocks = (...ends: readonly Endpoint[]): string | undefined =>
  ends.some(isVirtual) ? "one of the files has no blocks on a disk" : undefined;

export const strategies: Readonly<Record<Strategy, StrategyRow>> = {
  reflink: {
    syscalls: ["ioctl"],
    unfit: (source, target, { targetOffset }) =>
      filesOnly(source, target) ??
      withoutBlocks(source, target) ??
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
    unsupported: { EINVAL: "the files share whole blocks of one filesystem alone" },
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
    unsupported: { EINVAL: "one of the files takes no copy_file_range" },
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
    unsupported: { EINVAL: "one of the ends takes no sendfile" },
    zeroMayRefuse: false,
    copies: "0 with a scatter/gather NIC, else 1",
    switches: 2,
    copied: (_source, target) => (hasPositions(target) ? "yes" : "unknown"),
    about: "hands page-cache pages to the socket (Linux 2.2; to files and pipes 2.6.33)",
  },
  splice: {
    syscalls: ["splice"],
    unfit: (source, target) => {
      if (isMemory(source)) return "its source must have a descriptor";
      return appends(target) ?? wouldBlockWorker(target);
    },
    refusals: refusals("EINVAL", "ENOSYS", "EPERM", "EOVERFLOW", "EOPNOTSUPP"),
    unsupported: { EINVAL: "one of the ends takes no splice" },
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
    copies: "2, from memory 1",
    switches: 4,
    copied: always("yes"),
    about: "reads and writes through a buffer, on the engine's threads",
  },
  vmsplice: {
    syscalls: ["vmsplice"],
    unfit: (source, target) => memoryInPlace(source) ?? (isPipe(target) ? undefined : "its target must be a pipe"),
    refusals: refusals("ENOSYS", "EPERM", "EINVAL", "EBADF"),
    zeroMayRefuse: false,
    copies: "0",
    switches: 2,
    copied: always("no"),
    paysFrom: 4 * 1024 * 1024,
    onlyAsked: "whoever splices the pipe on would see what is written to the memory later: ask for it where it is read",
    about: "puts references to the pages of memory into the pipe (Linux 2.6.17)",
  },
  sendZeroCopy: {
    syscalls: ["sendto"],
    unfit: (source, target) =>
      memoryInPlace(source) ?? (isSocket(target) ? target.withoutNotices : "its target must be a socket"),
    refusals: refusals("EOPNOTSUPP", "ENOPROTOOPT", "ENOBUFS", "EPERM", "EINVAL", "EBUSY"),
    unsupported: {
      EOPNOTSUPP: "the socket has no zero copy: it is not of TCP",
      ENOPROTOOPT: "the kernel has no zero copy for this socket",
      EBUSY: "somebody else sends by zero copy on this socket",
    },
    zeroMayRefuse: false,
    copies: "0, where the kernel's notices say so",
    switches: 2,
    copied: always("unknown"),
    onlyAsked: "it pays on some network cards alone, and never between processes of one machine",
    about: "lets the socket refer to the pages of memory until the peer has them (MSG_ZEROCOPY, Linux 4.14)",
  },
  tee: {
    syscalls: ["tee", "splice"],
    unfit: () => "it serves tee() alone",
    refusals: refusals("ENOSYS", "EPERM", "EINVAL", "EOPNOTSUPP"),
    zeroMayRefuse: false,
    copies: "0 or 1",
    switches: 4,
    copied: always("unknown"),
    about: "gives several pipes references to the same pages (Linux 2.6.17)",
  },
  mapped: {
    syscalls: ["write", "mmap"],
    unfit: (source) => (isFile(source) && source.size !== undefined ? undefined : "its source must be a mappable file"),
    refusals: refusals("ENODEV", "EACCES", "EINVAL", "EPERM", "ENOMEM"),
    unsupported: { ENODEV: "the file can't be mapped", EINVAL: "the file can't be mapped there" },
    zeroMayRefuse: false,
    copies: "1",
    switches: 4,
    copied: always("yes"),
    about: "maps a window of the file and writes from it",
  },
  direct: {
    syscalls: ["write", "read"],
    unfit: (source) => {
      if (!isFile(source) && source.kind !== "blockDevice") return "its source must be a file or a block device";
      return withoutBlocks(source);
    },
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
