/** The functions of `sluice`, for every runtime that has files. The machine is looked at when the first of them is called. */
import type { Explanation } from "../../core/explain/explanation.ts";
import type { ProxyOptions } from "../../core/proxy.ts";
import type { ProxyReport } from "../../core/proxy-report.ts";
import type { Report } from "../../core/transfer/report.ts";
import type { TransferOptions } from "../../core/transfer/request.ts";
import type { TeeOptions, TeeReport } from "../../core/tee.ts";
import type { LeaseType } from "../../core/lease.ts";
import type { RingOptions } from "../../core/ring.ts";
import type { MapOptions } from "../../core/mapping.ts";
import type { CapabilityReport } from "../../core/plan/capabilities.ts";
import type {
  CopyOptions,
  HasFd,
  InterfaceFeatures,
  LeaseOptions,
  LeaseSource,
  ProxyEnd,
  Source,
  Target,
} from "../api.ts";
import type { FileChannel } from "../channel/file-channel.ts";
import { openFile as openFileOn } from "../channel/open-file.ts";
import { copyFile as copyFileOn } from "../copy/copy-file.ts";
import { currentRuntime } from "../current.ts";
import { interfaceFeatures as interfaceFeaturesOn } from "../engine/interface-features.ts";
import { type Machine, machineOf } from "../engine/machine.ts";
import { type Lease, lease as leaseOn } from "../lease/lease.ts";
import { map as mapOn, type Mappable } from "../map/map.ts";
import type { MappedFile } from "../map/mapped-file.ts";
import { proxy as proxyOn } from "../proxy/proxy.ts";
import {
  createPipe as createPipeOn,
  createRing as createRingOn,
  openRing as openRingOn,
  type Pipe,
} from "../ring/create.ts";
import type { SharedRing } from "../ring/shared-ring.ts";
import { tee as teeOn } from "../tee/tee.ts";
import { explain as explainOn } from "../transfer/explain.ts";
import { transfer as transferOn } from "../transfer/transfer.ts";

export * from "./types.ts";

const machine = (): Machine => machineOf(currentRuntime());

/** What throws at once rejects instead. An async function would do so too, for three turns of the microtask queue. */
function rejecting<T>(call: () => Promise<T>): Promise<T> {
  try {
    return call();
  } catch (error) {
    return Promise.reject(error);
  }
}

/**
 * Moves bytes from a source to a target without carrying them through JavaScript, by the best
 * mechanism that the kernel offers for the pair, off the event loop.
 *
 * Ranges are in bytes. A range past the end of a file is cut to what is there at the start. Descriptors,
 * FileHandles, sockets and streams stay the caller's and stay open, except that a socket whose connection
 * has failed is destroyed. On a socket or stream the transfer takes its place in the order of writes.
 *
 * The bytes of `sendfile` and `splice` are references to the page cache (sendfile(2), splice(2)): what
 * is written to the file after this resolves, and before the peer has received all, can still reach it.
 *
 * Bytes in memory have to stay as they are until this settles: up to 64 KiB are copied within the call, more is read
 * where it is, and what is written there meanwhile reaches the target or doesn't. With `vmsplice` (vmsplice(2)) and
 * `sendZeroCopy` (MSG_ZEROCOPY, Linux 4.14), which have to be asked for, the pipe or the socket refers to the memory, and
 * this resolves when it has been read or acknowledged. When it rejects, some of it may still be under way: leave
 * it unchanged until the connection or the pipe is closed. It is kept from the collector until the kernel releases it.
 * A buffer that is detached meanwhile is `ERR_SLUICE_CLOSED`; shared and resizable ones go through JavaScript.
 *
 * @returns what was done, by which mechanism, and at what cost
 * @throws TransferError with `code`, `bytesTransferred`, and the `path` and `dest` of ends that are paths; see
 * {@link TransferError} for the codes
 * @throws TypeError, RangeError for arguments of a wrong type or range
 *
 * @example
 * ```ts
 * const { bytes, strategy } = await transfer("movie.mp4", socket, { offset: 1024, length: 65536 });
 * ```
 */
export function transfer(source: Source, target: Target, options?: TransferOptions): Promise<Report> {
  return rejecting(() => transferOn(machine(), source, target, options));
}

/**
 * Gives one stream to several targets, each of which gets every byte once and in order, off the event loop: by tee(2)
 * from a pipe or a socket (Linux 2.6.17), by a transfer of its own for each target from a file or from memory. Targets
 * are those of {@link transfer}; each has a report, and a failed one is left out while the others go on.
 *
 * @returns what was done; `targets` in the order of the arguments
 * @throws TeeError (a TransferError with `report`) where the source breaks off, the call is aborted, no target is left,
 * or, with `onFailure: "end"`, one fails
 *
 * @example
 * ```ts
 * const { targets } = await tee(upload, [upstream, "upload.log"], { slowest: "pace", atomic: true });
 * ```
 */
export async function tee(source: Source, targets: readonly Target[], options?: TeeOptions): Promise<TeeReport> {
  return teeOn(machine(), source, targets, options);
}

/**
 * Copies a regular file. Readers of `to` see the old file or the complete new one, never a half:
 * also after a crash, a full disk or an abort. Symbolic links are followed.
 *
 * @returns `bytes` is the size of the copy, holes included
 * @throws TransferError `EEXIST` (with `overwrite: false`), `EISDIR`, `ENOSPC`, `ERR_SLUICE_OVERLAP` (a file onto
 * itself), `ERR_SLUICE_UNSUPPORTED` (not regular files; `reflink: "always"` where blocks can't be shared), …
 */
export async function copyFile(from: string | URL, to: string | URL, options?: CopyOptions): Promise<Report> {
  return copyFileOn(machine(), from, to, options);
}

/**
 * Opens a file as a channel: reads and writes at positions, transfers, locks and mappings of one open file, after
 * java.nio.channels.FileChannel. See
 * https://github.com/sluice-js/sluice/blob/main/docs/channel.md for each method beside Java's.
 *
 * @param flags as for `fs.open` ("r", "r+", "w", "wx", "a", …, or numbers of `fs.constants`). Default "r"
 * @param mode permissions of a file that is created, less the umask. Default 0o666
 * @throws TransferError `ENOENT`, `EACCES`, `EEXIST`, `EISDIR`, …; `ERR_SLUICE_UNSUPPORTED` for what has no positions
 *
 * @example
 * ```ts
 * await using channel = await openFile("log.bin");
 * const sent = await channel.transferTo(1024, 65536, socket);
 * ```
 */
export async function openFile(path: string | URL, flags?: string | number, mode?: number): Promise<FileChannel> {
  return openFileOn(machine(), path, flags, mode);
}

/**
 * Takes a lease on a regular file: who wants to write or truncate it ("read"), or to open it at all ("write"), has to
 * wait in the kernel until the lease is released, and `broken` resolves (fcntl(2), F_SETLEASE; Linux 2.4). Renaming and
 * unlinking it breaks nothing. Synchronous calls of this very thread that open it wait, too.
 *
 * A broken lease is released by itself after `holdMs`. It doesn't keep the process alive unless `ref()` is called, and
 * is released when it is disposed of, or its Worker or process ends. A descriptor may be closed at once for a "read"
 * lease; for a "write" lease it is the caller's own open file that is leased.
 *
 * @throws TransferError `EAGAIN` (for "read": somebody has it open for writing, be it this process; for "write": somebody
 * else has it open), `EACCES` (neither its owner nor CAP_LEASE), `ERR_SLUICE_UNSUPPORTED` (no regular file, a
 * filesystem without leases, or no engine), those of opening a path
 *
 * @example
 * ```ts
 * using held = await lease("config.json", "read");
 * const change = await held.broken; // another process is about to write it
 * ```
 */
export async function lease(source: LeaseSource, type: LeaseType, options?: LeaseOptions): Promise<Lease> {
  return leaseOn(machine(), source, type, options);
}

/**
 * Says which mechanisms {@link transfer} would try for the same arguments, in which order and why, and
 * why not the others. Nothing is moved, created or emptied.
 *
 * @throws TransferError where the transfer would be refused before its first byte
 */
export async function explain(source: Source, target: Target, options?: TransferOptions): Promise<Explanation> {
  return explainOn(machine(), source, target, options);
}

/**
 * Maps a regular file into memory: nothing is read before it is looked at, and pages are shared with all that have
 * the file open. The descriptor stays the caller's; it may be closed at once.
 *
 * A file that others truncate can't be read where it ended; the kernel raises SIGBUS there, which ends a process. Here
 * zeros take the place of what is lost, and `truncated`, `check()` and `read()` tell: see
 * https://github.com/sluice-js/sluice/blob/main/docs/safety.md.
 *
 * @throws RangeError for a range that the file doesn't have
 * @throws TransferError `ENOENT`, `EISDIR`, `EACCES` (a descriptor without the rights for the mode), `ENOMEM`,
 * `ERR_SLUICE_UNSUPPORTED` (not regular files; other policies than "copy" without the engine), …
 *
 * @example
 * ```ts
 * using file = map("index.bin");
 * const header = file.read(0, 64);
 * ```
 */
export function map(file: Mappable, options?: MapOptions): MappedFile {
  return mapOn(machine(), file, options);
}

/**
 * Joins two connections: what either sends goes to the other, past JavaScript, until both have ended. When one ends, the
 * other is told (shutdown(2), SHUT_WR), and the other direction goes on.
 *
 * Both connections are the proxy's from the call on. What JavaScript has already read goes first; listeners of 'data' and
 * 'readable' are taken off; sockets that are still connecting are waited for, and nothing is lost meanwhile. In the end both
 * are closed: with a FIN after both directions have ended, when idle, and at a limit; with an RST (TCP), so that
 * nobody takes a part for the whole, after an error, an abort or the total time-out. Descriptors are shut down, and
 * their numbers stay the caller's to close. See https://github.com/sluice-js/sluice/blob/main/docs/proxy.md.
 *
 * @returns what each direction did, once both are over
 * @throws TransferError `ECONNRESET`, `EPIPE`, `ETIMEDOUT`, `ECONNREFUSED`, `ABORT_ERR`, `ERR_SLUICE_CLOSED`, …; its `proxy`
 * tells how far each direction came. `ERR_SLUICE_UNSUPPORTED` for what was forced and can't be had
 * @throws TypeError, RangeError for arguments of a wrong type or range; nothing has been touched then
 *
 * @example
 * ```ts
 * createServer((client) => {
 *   proxy(client, connect(5432, "db"), { idleTimeoutMs: 60_000 }).catch(log);
 * }).listen(6432);
 * ```
 */
export async function proxy(a: ProxyEnd, b: ProxyEnd, options?: ProxyOptions): Promise<ProxyReport> {
  return proxyOn(machine(), a, b, options);
}

/**
 * Makes a ring of bytes in memory that two processes share: one writes, the other reads, and neither makes a system call
 * for each other's sake while both are busy (memfd_create(2), Linux 3.17; futex(2)). The other process opens it by
 * {@link SharedRing.path}, or by {@link SharedRing.fd} where it inherits that. It is also a source and a target of
 * {@link transfer}, which then reads files, sockets and pipes straight into the shared memory, or writes straight out of
 * it. See https://github.com/sluice-js/sluice/blob/main/docs/ipc.md.
 *
 * @throws TransferError `EMFILE`, `ENOMEM`; `ERR_SLUICE_UNSUPPORTED` without the engine
 * @throws TypeError, RangeError for options of a wrong type or range
 *
 * @example
 * ```ts
 * await using ring = await createRing({ bytes: 16 * 2 ** 20 });
 * const child = fork("receiver.js", [ring.path]); // there: for await (const chunk of await openRing(process.argv[2]))
 * await transfer("movie.mp4", ring);
 * await ring.end();
 * ```
 */
export async function createRing(options?: RingOptions): Promise<SharedRing> {
  return createRingOn(machine(), options);
}

/**
 * Opens the other side of a ring that {@link createRing} has made, by its path or a descriptor (which stays the
 * caller's, and may be closed at once). A ring has two sides, and each is opened once.
 *
 * @throws TransferError `ENOENT` (its maker is gone), `EACCES` (another user's), `EBADMSG` (no ring), `EBUSY` (it
 * has two sides already), `ERR_SLUICE_UNSUPPORTED` without the engine
 */
export async function openRing(ring: string | URL | number | HasFd): Promise<SharedRing> {
  return openRingOn(machine(), ring);
}

/**
 * Makes a pipe that never blocks, for two processes: `transfer(file, pipe.writer)` in one, `transfer(path, file)` with
 * `pipe.reader.path` in the other, by "splice" or "buffered". The other process inherits a descriptor, or opens a path;
 * then close that end here, so that each process learns of the other's end. A writer that dies looks like one that is
 * done: a pipe can't tell, a ring can.
 *
 * @param options `bytes`: how much it should hold, less where the system allows less. Default 1 MiB
 * @throws TransferError `EMFILE`; `ERR_SLUICE_UNSUPPORTED` without the engine
 */
export async function createPipe(options?: { readonly bytes?: number | undefined }): Promise<Pipe> {
  return createPipeOn(machine(), options);
}

/** What this machine and runtime can do, and the reason for each answer. Loads the engine, if it can be. */
export function capabilities(): CapabilityReport {
  return machine().report();
}

/**
 * What a network interface offloads; whether `sendfile` to it can do without any copy.
 *
 * @throws TransferError `ENODEV` for an unknown name, `ERR_SLUICE_UNSUPPORTED` without the engine
 */
export function interfaceFeatures(name: string): InterfaceFeatures {
  return interfaceFeaturesOn(machine(), name);
}
