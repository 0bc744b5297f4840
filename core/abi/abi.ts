/**
 * The one description of the native library: its functions, its records and its numbers.
 *
 * The three FFI bindings are made from these tables, and so is `native/include/sluice.h`
 * (by `native/header.mjs`, at every build). Nothing about the ABI is written anywhere else;
 * {@link abiFingerprint} is compared at load, so a library of another layout is never called.
 *
 * Only 32-bit numbers and buffers cross the wall: every runtime passes those without making
 * a BigInt. Byte counts travel as 64-bit fields of records.
 */

import { records } from "./records.ts";
import { ringLayout, ringLimits, ringMagic, ringParties, ringVersion } from "../ring.ts";

/** Types an argument or a result may have. A "buffer" is a typed array passed by address. */
export type AbiType = "i32" | "u32" | "buffer";

interface AbiFunction {
  readonly args: readonly AbiType[];
  readonly names: readonly string[];
  readonly doc: string;
}

function define<const F extends AbiFunction>(fn: F): F {
  return fn;
}

/** Every function returns an `i32`: zero or a positive answer, or a negative errno. */
export const symbols = {
  sluice_abi_fingerprint: define({
    args: [],
    names: [],
    doc: "Fingerprint of the layout this library was built with.",
  }),
  sluice_context_open: define({
    args: [],
    names: [],
    doc: "Opens a context: where one isolate's outcomes go.",
  }),
  sluice_context_wake_fd: define({
    args: ["i32"],
    names: ["context"],
    doc: "The isolate's end of the wake-up socket: readable when there is something to reap. The caller owns it; closing it closes the context.",
  }),
  sluice_context_lifeline: define({
    args: ["i32"],
    names: ["context"],
    doc: "The read end of a pipe, owned by the caller; when its last duplicate is closed, so is the context. For runtimes that leave the wake-up socket open when an isolate dies.",
  }),
  sluice_context_close: define({
    args: ["i32"],
    names: ["context"],
    doc: "Cancels the context's jobs and frees it once they have ended. Nothing is notified any more.",
  }),
  sluice_job_open: define({
    args: ["i32", "i32", "i32"],
    names: ["context", "source", "target"],
    doc: "Duplicates both descriptors (F_DUPFD_CLOEXEC) into a new job and returns its handle. A ring of the context takes a descriptor's place by its handle, negated.",
  }),
  sluice_job_open_memory: define({
    args: ["i32", "buffer", "buffer", "i32"],
    names: ["context", "bytes", "memory", "target"],
    doc: "A job whose source is memory (a record says how much): its bytes are copied, or used where they are, and then stay the caller's to keep until no outcome says that they are held.",
  }),
  sluice_job_open_tee: define({
    args: ["i32", "i32", "buffer", "u32", "u32"],
    names: ["context", "source", "outlets", "count", "capacity"],
    doc: "A job that gives all that its source has to each of `count` new pipes, of `capacity` bytes where the kernel allows it; fills in their read ends, to be closed by sluice_close. A pipe that nobody reads any more is left out.",
  }),
  sluice_tee_feed: define({
    args: ["i32", "buffer", "u32"],
    names: ["job", "bytes", "length"],
    doc: "Copies bytes that every pipe of an idle tee job gets before those of its source; once. No outcome counts them.",
  }),
  sluice_tee_blocked: define({
    args: ["i32"],
    names: ["job"],
    doc: "Index of the pipe that is full and holds up a tee job; -EAGAIN where it waits for none.",
  }),
  sluice_job_start: define({
    args: ["i32", "buffer"],
    names: ["job", "request"],
    doc: "Starts one attempt on an idle job. Its outcome arrives at the context.",
  }),
  sluice_job_cancel: define({
    args: ["i32"],
    names: ["job"],
    doc: "Asks a started attempt to end; its outcome says what had moved. Idle jobs ignore it.",
  }),
  sluice_job_progress: define({
    args: ["i32", "buffer"],
    names: ["job", "bytes"],
    doc: "Writes the bytes moved by the attempt so far (i64) without disturbing it.",
  }),
  sluice_job_residue: define({
    args: ["i32", "buffer", "u32"],
    names: ["job", "bytes", "capacity"],
    doc: "Takes bytes that an ended attempt had read from a stream and not delivered (outcome.stranded), and answers how many; 0 when none are left.",
  }),
  sluice_job_close: define({
    args: ["i32"],
    names: ["job"],
    doc: "Closes both duplicates and frees the handle. A running attempt is cancelled and forgotten.",
  }),
  sluice_job_replace_source: define({
    args: ["i32", "i32"],
    names: ["job", "source"],
    doc: "Gives an idle job another source (duplicated), in place of the one it was opened with.",
  }),
  sluice_job_outstanding: define({
    args: ["i32"],
    names: ["job"],
    doc: "Bytes that the target has taken and still holds: unacknowledged by a socket's peer (SIOCOUTQ), unread in a pipe (FIONREAD), 0 for others. -EPIPE where the connection is gone.",
  }),
  sluice_reap: define({
    args: ["i32", "buffer", "u32"],
    names: ["context", "outcomes", "capacity"],
    doc: "Takes up to `capacity` outcomes from the context and returns how many.",
  }),
  sluice_pair_open: define({
    args: ["i32", "i32", "i32"],
    names: ["context", "a", "b"],
    doc: "Duplicates the descriptors of two connections into a new pair and returns its handle.",
  }),
  sluice_pair_start: define({
    args: ["i32", "buffer", "buffer", "u32", "buffer", "u32"],
    names: ["pair", "request", "to_b", "to_b_length", "to_a", "to_a_length"],
    doc: "Starts moving bytes between the two, after those given here; request.head is how many of those for b count nowhere. One outcome arrives at the context.",
  }),
  sluice_pair_stop: define({
    args: ["i32"],
    names: ["pair"],
    doc: "Asks a started pair to end; its outcome says what had moved. Others ignore it.",
  }),
  sluice_pair_progress: define({
    args: ["i32", "buffer"],
    names: ["pair", "progress"],
    doc: "Writes how many bytes have moved, for how long none has, and whose peers have ended (bit 0: a's, 1: b's), without disturbing the pair.",
  }),
  sluice_pair_reap: define({
    args: ["i32", "buffer", "u32"],
    names: ["context", "outcomes", "capacity"],
    doc: "Takes up to `capacity` outcomes of pairs from the context and returns how many.",
  }),
  sluice_pair_close: define({
    args: ["i32", "u32"],
    names: ["pair", "reset"],
    doc: "Closes both duplicates and frees the handle; a started pair is stopped and forgotten. With `reset`, TCP connections are aborted (RST) and others shut down, whoever else has them open.",
  }),
  sluice_attempt: define({
    args: ["i32", "i32", "buffer", "buffer", "buffer", "u32"],
    names: ["source", "target", "request", "outcome", "head", "head_length"],
    doc: "One bounded attempt on the calling thread that never waits: resident pages, room in the socket, or `blocked`. A head goes before them, in the same segment.",
  }),
  sluice_read_now: define({
    args: ["i32", "buffer", "buffer"],
    names: ["source", "request", "bytes"],
    doc: "Reads a file at the request's offset, up to its length (at most SLUICE_INLINE_BYTES), if that waits for nothing: how many bytes, or a negative errno; -EAGAIN where a disk would have to be asked.",
  }),
  sluice_run: define({
    args: ["i32", "i32", "buffer", "buffer"],
    names: ["source", "target", "request", "outcome"],
    doc: "One attempt between two regular files, run to its end on the calling thread, which waits for disks: for hosts that can't return promises. -EINVAL for other ends.",
  }),
  sluice_send: define({
    args: ["i32", "buffer", "u32", "u32"],
    names: ["socket", "bytes", "length", "more"],
    doc: "One write to a socket that never waits (MSG_DONTWAIT): how many bytes it took. With `more`, they may share a segment with what follows (MSG_MORE).",
  }),
  sluice_open_beneath: define({
    args: ["buffer", "buffer", "u32"],
    names: ["root", "path", "cached"],
    doc: "Opens a path for reading that is resolved beneath a root folder and never leaves it (openat2, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS; Linux 5.6). With `cached`, -EAGAIN where a disk would have to be asked (RESOLVE_CACHED; 5.12). To be closed by sluice_close.",
  }),
  sluice_open_at: define({
    args: ["i32", "buffer", "u32"],
    names: ["folder", "path", "flags"],
    doc: "Opens a path that is resolved beneath an open folder and never leaves it, as sluice_open_beneath does, by `openFlags`: for writing and creating, too (mode 0666 less the umask). To be closed by sluice_close.",
  }),
  sluice_closes_quickly: define({
    args: ["i32"],
    names: ["fd"],
    doc: "1 where closing the descriptor is sure to take no time (a regular file with a name, on a local filesystem), else 0.",
  }),
  sluice_inspect: define({
    args: ["i32", "buffer"],
    names: ["fd", "inspection"],
    doc: "Describes what a descriptor is.",
  }),
  sluice_access: define({
    args: ["i32", "u32"],
    names: ["fd", "mode"],
    doc: "Whether this process may open what a descriptor names, which may be one of O_PATH (access(2)'s modes): 0, or why not where that can be told.",
  }),
  sluice_duplicate: define({
    args: ["i32"],
    names: ["fd"],
    doc: "Duplicates a descriptor (F_DUPFD_CLOEXEC), to be closed by sluice_close: Deno's node:fs closes its own alone.",
  }),
  sluice_close: define({
    args: ["i32"],
    names: ["fd"],
    doc: "Closes a descriptor that sluice_duplicate, sluice_open_beneath or sluice_context_lifeline gave.",
  }),
  sluice_socket_pair: define({
    args: ["buffer"],
    names: ["ends"],
    doc: "Writes the descriptors (two i32) of the ends of a new connection: over TCP's loopback, or a pair of Unix sockets where there is none. Non-blocking, and the caller's.",
  }),
  sluice_memory_file: define({
    args: ["buffer", "u32"],
    names: ["bytes", "length"],
    doc: "The descriptor of a new file in memory that has these bytes (memfd_create(2), Linux 3.17). It is the caller's.",
  }),
  sluice_shutdown: define({
    args: ["i32", "u32"],
    names: ["socket", "how"],
    doc: "shutdown(2): 0 for SHUT_RD, 1 for SHUT_WR, 2 for both.",
  }),
  sluice_probe: define({
    args: ["u32"],
    names: ["strategy"],
    doc: "0 when the kernel has the strategy's system call, else -ENOSYS or -EPERM (asked with descriptors of -1).",
  }),
  sluice_publish: define({
    args: ["i32", "buffer"],
    names: ["fd", "path"],
    doc: 'Gives an unnamed temporary (O_TMPFILE) a name that must not exist yet (linkat). Of ".", -EEXIST says that it can be done.',
  }),
  sluice_rename_new: define({
    args: ["buffer", "buffer"],
    names: ["from", "to"],
    doc: "Gives a file another name, which must not exist yet (renameat2, RENAME_NOREPLACE; Linux 3.15).",
  }),
  sluice_is_replaceable: define({
    args: ["buffer"],
    names: ["path"],
    doc: "0 where nothing about the file itself is known to forbid a rename over its name; -EPERM: it is immutable or append-only; -EBUSY: something is mounted on it (statx; Linux 4.11).",
  }),
  sluice_take_back: define({
    args: ["i32", "buffer"],
    names: ["fd", "path"],
    doc: "Takes away a file that was made for nothing, by its descriptor and name. -EBUSY: the name is another file's now, or somebody has written to it, linked it, or has it open.",
  }),
  sluice_set_times: define({
    args: ["i32", "buffer"],
    names: ["fd", "times"],
    doc: "Sets a file's access and modification times, to the nanosecond (utimensat).",
  }),
  sluice_lock: define({
    args: ["i32", "u32", "buffer"],
    names: ["fd", "type", "range"],
    doc: "Locks, or unlocks, a range of a file (an extent; an end of -1 is wherever the file ends) for the open file description: F_OFD_SETLK, fcntl(2), Linux 3.15. Never waits: -EAGAIN where somebody else has it.",
  }),
  sluice_uncached_io: define({
    args: [],
    names: [],
    doc: "1 where the kernel itself reads and writes without leaving pages behind (RWF_DONTCACHE), on filesystems that have it; else 0.",
  }),
  sluice_interface: define({
    args: ["buffer", "buffer"],
    names: ["name", "features"],
    doc: "Offload features of a network interface (SIOCETHTOOL).",
  }),
  sluice_lease_open: define({
    args: ["i32", "i32", "u32", "u32"],
    names: ["context", "fd", "type", "hold_ms"],
    doc: "Takes a lease on a regular file (F_SETLEASE, fcntl(2)) and answers its handle. -EAGAIN: it is open in the way; -EACCES: not the owner, and no CAP_LEASE; -EINVAL: the filesystem has none. A lease that somebody wants broken is released after hold_ms, and in any case before the kernel takes it.",
  }),
  sluice_lease_release: define({
    args: ["i32"],
    names: ["lease"],
    doc: "Releases a lease, frees the handle and answers how it was (SLUICE_LEASE_GONE, _HELD, _WANTED). A break that was not told yet never will be.",
  }),
  sluice_lease_reap: define({
    args: ["i32", "buffer", "u32"],
    names: ["context", "breaks", "capacity"],
    doc: "Takes up to `capacity` breaks of the context's leases and returns how many. Each lease has one.",
  }),
  sluice_map: define({
    args: ["i32", "i32", "buffer"],
    names: ["context", "fd", "mapping"],
    doc: "Maps a range of a regular file under the SIGBUS guard, fills mapping.address and returns a handle. mapping.offset is a multiple of limits.map_alignment. The descriptor is duplicated. When the context goes, the mapping is made blank; context 0 never does.",
  }),
  sluice_map_blank: define({
    args: ["i32"],
    names: ["handle"],
    doc: "Lets go of the file: its addresses are zero pages from now on, and stay taken until sluice_unmap.",
  }),
  sluice_unmap: define({
    args: ["i32"],
    names: ["handle"],
    doc: "Gives the addresses back and frees the handle. Nobody may look at them any more.",
  }),
  sluice_map_lost: define({
    args: ["i32", "buffer"],
    names: ["handle", "loss"],
    doc: "Fills loss.offset: the first offset of the file that was found missing, once or now; -1 where nothing is.",
  }),
  sluice_map_advise: define({
    args: ["i32", "buffer", "u32"],
    names: ["handle", "range", "advice"],
    doc: "Tells how a range of the mapping (an extent) will be read (madvise).",
  }),
  sluice_map_flush: define({
    args: ["i32", "buffer"],
    names: ["handle", "range"],
    doc: "Waits until what was written to a range of a shared mapping (an extent) is on the disk (msync, MS_SYNC).",
  }),
  sluice_map_residency: define({
    args: ["i32", "buffer"],
    names: ["handle", "residency"],
    doc: "Fills residency.bytes: how much of a range of the mapping is in memory, in whole pages (mincore).",
  }),
  sluice_ring_create: define({
    args: ["i32", "u32", "u32"],
    names: ["context", "bytes", "attach_ms"],
    doc: "Makes a ring of shared memory (memfd_create, sealed) for `bytes` of data, a power of two, and answers its handle. -ETIMEDOUT comes of whatever waits longer than attach_ms (0: for ever) for the other side to open it.",
  }),
  sluice_ring_open: define({
    args: ["i32", "i32"],
    names: ["context", "fd"],
    doc: "Opens a ring that somebody else has made, by a descriptor of it, and answers its handle. -EBADMSG: it is none; -EBUSY: it has two sides already.",
  }),
  sluice_ring_fd: define({
    args: ["i32"],
    names: ["ring"],
    doc: "A descriptor of the ring's memory to hand out: the other side opens the ring by it. The ring's own until it is closed.",
  }),
  sluice_ring_write: define({
    args: ["i32", "buffer", "u32"],
    names: ["ring", "bytes", "length"],
    doc: "Copies bytes into the ring, as many as it has room for, and answers how many. -EAGAIN: none; -EBUSY: a job has the ring, or the other side writes; -EPIPE, -EOWNERDEAD, -ETIMEDOUT, -EBADMSG: nobody will read them.",
  }),
  sluice_ring_read: define({
    args: ["i32", "buffer", "u32"],
    names: ["ring", "bytes", "capacity"],
    doc: "Copies bytes out of the ring and answers how many; 0 at the end. -EAGAIN: none are there yet; -EBUSY; -ECONNRESET: closed before its end; -EOWNERDEAD, -ETIMEDOUT, -EBADMSG.",
  }),
  sluice_ring_peek: define({
    args: ["i32", "buffer"],
    names: ["ring", "extent"],
    doc: "Fills in where the bytes to read next lie in the ring's data, without taking them, and answers 1; 0 at the end. Else as sluice_ring_read.",
  }),
  sluice_ring_consume: define({
    args: ["i32", "u32"],
    names: ["ring", "length"],
    doc: "Takes bytes that sluice_ring_peek has shown: their place may be written from now on.",
  }),
  sluice_ring_end: define({
    args: ["i32"],
    names: ["ring"],
    doc: "Says that no more will be written.",
  }),
  sluice_ring_status: define({
    args: ["i32", "buffer"],
    names: ["ring", "ring_status"],
    doc: "What the ring's header says at this moment.",
  }),
  sluice_ring_job: define({
    args: ["i32"],
    names: ["ring"],
    doc: "Opens a job that waits for the ring alone: see the request's flags wait_data and wait_room.",
  }),
  sluice_ring_close: define({
    args: ["i32"],
    names: ["ring"],
    doc: "Lets go of the ring, once its jobs have been closed, and tells the other side.",
  }),
  sluice_pipe: define({
    args: ["u32", "buffer"],
    names: ["bytes", "pipe_ends"],
    doc: "Makes a pipe that never blocks, with room for as much of `bytes` as the system allows (F_SETPIPE_SZ; /proc/sys/fs/pipe-max-size). Both ends are to be closed by sluice_close.",
  }),
  sluice_allow_files: define({
    args: ["u32"],
    names: ["wanted"],
    doc: "Lets the process open so many files (RLIMIT_NOFILE, prlimit(2)); nothing changes where it may already. -EPERM where the hard limit is lower and the process lacks CAP_SYS_RESOURCE, or where that is more than /proc/sys/fs/nr_open.",
  }),
  sluice_census: define({
    args: ["buffer"],
    names: ["census"],
    doc: "What the engine holds at this moment; for tests and diagnostics.",
  }),
} as const;

type AbiArgument<T extends AbiType> = T extends "buffer" ? Uint8Array : number;
type AbiArguments<T extends readonly AbiType[]> = { -readonly [K in keyof T]: AbiArgument<T[K]> };

/** The bound library: what each adapter's `bind()` returns. */
export type Native = {
  readonly [K in keyof typeof symbols]: (...args: AbiArguments<(typeof symbols)[K]["args"]>) => number;
};

/** Makes something of every symbol: what the three FFI bindings are made with. */
export function mapSymbols<T>(make: (args: readonly AbiType[], name: keyof Native) => T): Record<keyof Native, T> {
  const made: Partial<Record<keyof Native, T>> = {};
  for (const name of Object.keys(symbols) as (keyof Native)[]) made[name] = make(symbols[name].args, name);
  return made as Record<keyof Native, T>;
}

/** Numbers of the mechanisms the engine runs. */
export const opcodes = {
  sendfile: 1,
  splice: 2,
  copyFileRange: 3,
  reflink: 4,
  mapped: 5,
  buffered: 6,
  direct: 7,
  vmsplice: 8,
  tee: 9,
  sendZeroCopy: 10,
  sharedRing: 11,
} as const;

/** A mechanism that the native engine runs. */
export type NativeStrategy = keyof typeof opcodes;

/** How an attempt ended. `blocked` comes from `sluice_attempt` alone: the rest needs the engine. */
export const ends = { done: 0, eof: 1, cancelled: 2, error: 3, blocked: 4 } as const;

/** Which end an error is about; `none` where the call can't tell or nothing failed. */
export const sides = { none: 0, source: 1, target: 2 } as const;

/** Types of lease, and what somebody else wants to do to a file that breaks one. */
export const leaseTypes = { read: 1, write: 2 } as const;

/** How a lease was when it was released: gone, for its time was up; held; held, though somebody wanted the file. */
export const leaseStates = { gone: 0, held: 1, wanted: 2 } as const;

/** What `sluice_lock` makes of a range. */
export const lockTypes = { none: 0, shared: 1, exclusive: 2 } as const;

/** How a pair ended: both directions have; one reached its limit; it was stopped; a connection failed. */
export const pairEnds = { ended: 0, limit: 1, stopped: 2, failed: 3 } as const;

/**
 * Bits of `pair_request.flags`: large flows may be spliced; what is given has used up the limit of a direction, and was cut.
 */
export const pairFlags = { splice: 1, cut_to_b: 2, cut_to_a: 4 } as const;

/** Bits of `request.flags`. */
export const requestFlags = {
  dontcache: 1,
  /** Another mechanism follows: sendZeroCopy gives way where the kernel copies after all. */
  give_way: 2,
  /** Nothing is moved: waits until the kernel has let go of memory that earlier attempts have sent. */
  settle: 4,
  /** A job of `sluice_ring_job` is done when there is something to read. */
  wait_data: 8,
  /** … when there is room for `length` bytes. */
  wait_room: 16,
  /** The job closes itself when the attempt is done, off the calling thread; with any other end it stays open. */
  last: 32,
  /** Holes of the source, a file, stay holes of the target, which is one too, new and empty. */
  holes: 64,
  /** Nothing is moved: the target, a file, gets the extended attributes of the source, another. */
  attributes: 128,
} as const;

/** `outcome.copied`: what the kernel itself says; `untold` where it says nothing. */
export const copyNotices = { untold: 0, none: 1, some: 2 } as const;

/** What a descriptor is. */
export const fdKinds = {
  file: 1,
  directory: 2,
  socket: 3,
  pipe: 4,
  charDevice: 5,
  blockDevice: 6,
  other: 7,
  memory: 8,
  /** No descriptor at all. */
  ring: 9,
} as const;

/** Bits of `inspection.flags`. */
export const fdFlags = {
  readable: 1,
  writable: 2,
  append: 4,
  nonblocking: 8,
  stream: 16,
  listening: 32,
  path: 64,
} as const;

/** Bits of `sluice_open_at`'s flags. `path`: a descriptor for its place alone (O_PATH). */
export const openFlags = {
  read: 1,
  write: 2,
  create: 4,
  exclusive: 8,
  truncate: 16,
  directory: 32,
  noFollow: 64,
  path: 128,
} as const;

/** Bits of `interface.features`. */
export const nicFlags = { scatterGather: 1, tso: 2, txChecksum: 4 } as const;

/** What `sluice_map_advise` may say, by the numbers of madvise(2). */
export const advices = { normal: 0, random: 1, sequential: 2, will_need: 3 } as const;

/** Limits that both sides keep to. Bytes. */
export const limits = {
  /** Most bytes `sluice_attempt` moves on the calling thread. */
  inline_bytes: 262144,
  /** Up to here a read and a write beat handing over pages (`npm run bench -- curve`). */
  inline_copy_bytes: 65536,
  /** Bytes of an engine turn on a socket or pipe. */
  turn_bytes: 2097152,
  /** Bytes that a direction of a pair moves before the others have their turn. */
  pair_turn_bytes: 1048576,
  /** Memory up to here is copied when a job is opened, so that its owner may do with it what he likes. */
  copied_memory_bytes: 65536,
  /** What the offset of a mapping is a multiple of: 64 KiB, the largest page size of Linux. */
  map_alignment: 65536,
} as const;

/**
 * FNV-1a over everything above that the C side must agree with; a positive 31-bit number. Asked for when the library is
 * loaded: it takes milliseconds, which an import doesn't have.
 */
export function abiFingerprint(): number {
  const shape = Object.entries(symbols).map(([name, { args }]) => [name, args]);
  const text = JSON.stringify([
    shape,
    opcodes,
    ends,
    sides,
    fdKinds,
    fdFlags,
    nicFlags,
    leaseTypes,
    leaseStates,
    lockTypes,
    requestFlags,
    openFlags,
    pairEnds,
    pairFlags,
    copyNotices,
    records,
    limits,
    [ringMagic, ringVersion, ringLayout, ringParties, ringLimits],
  ]);
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash & 0x7fffffff;
}
