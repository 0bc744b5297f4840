/** Sluice for Node.js 20 and later: native through koffi, portable where that is absent or forbidden. */
import type { Explanation } from "../core/explain.ts";
import type { Report } from "../core/report.ts";
import type { TransferOptions } from "../core/request.ts";
import { node } from "./node/ffi.ts";
import type { CapabilityReport, CopyOptions, InterfaceFeatures, Source, Target } from "./shared/api.ts";
import { createSluice } from "./shared/sluice.ts";

export * from "./shared/public.ts";

const sluice = createSluice(node);

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
 * @returns what was done, by which mechanism, and at what cost
 * @throws TransferError with `code` and `bytesTransferred`; see {@link TransferError} for the codes
 * @throws TypeError, RangeError for arguments of a wrong type or range
 *
 * @example
 * ```ts
 * const { bytes, strategy } = await transfer("movie.mp4", socket, { offset: 1024, length: 65536 });
 * ```
 */
export function transfer(source: Source, target: Target, options?: TransferOptions): Promise<Report> {
  return sluice.transfer(source, target, options);
}

/**
 * Copies a regular file. Readers of `to` see the old file or the complete new one, never a half:
 * also after a crash, a full disk or an abort. Symbolic links are followed.
 *
 * @returns `bytes` is the size of the copy, holes included
 * @throws TransferError `EEXIST` (with `overwrite: false`), `EISDIR`, `ENOSPC`, `ERR_SLUICE_OVERLAP` (a file onto
 * itself), `ERR_SLUICE_UNSUPPORTED` (not regular files; `reflink: "always"` where blocks can't be shared), …
 */
export function copyFile(from: string | URL, to: string | URL, options?: CopyOptions): Promise<Report> {
  return sluice.copyFile(from, to, options);
}

/**
 * Says which mechanisms {@link transfer} would try for the same arguments, in which order and why, and
 * why not the others. Nothing is moved, created or emptied.
 *
 * @throws TransferError where the transfer would be refused before its first byte
 */
export function explain(source: Source, target: Target, options?: TransferOptions): Promise<Explanation> {
  return sluice.explain(source, target, options);
}

/** What this machine and runtime can do, and the reason for each answer. Loads the engine, if it can be. */
export function capabilities(): CapabilityReport {
  return sluice.capabilities();
}

/**
 * What a network interface offloads; whether `sendfile` to it can do without any copy.
 *
 * @throws TransferError `ENODEV` for an unknown name, `ERR_SLUICE_UNSUPPORTED` without the engine
 */
export function interfaceFeatures(name: string): InterfaceFeatures {
  return sluice.interfaceFeatures(name);
}
