/** The types of the public surface that all runtimes share. */
import type { FileHandle } from "node:fs/promises";
import type { Socket } from "node:net";
import type { Readable, Writable } from "node:stream";
import type { CacheMode } from "../core/plan/kernel.ts";
import type { Names } from "../core/options.ts";
import type { SharedRing } from "./ring/shared-ring.ts";

/** An open descriptor that stays the caller's: Sluice duplicates it and never closes it. */
export interface HasFd {
  readonly fd: number;
}

/** A `Bun.file(path)`, by what tells it from other Blobs. Whole files only; slices are given by offset and length. */
export interface BunFileLike {
  readonly name?: string | undefined;
  readonly size: number;
  exists(): Promise<boolean>;
}

/** A `Deno.TcpConn` or `Deno.UnixConn`, by what tells it from everything else. */
export interface DenoConnLike {
  readonly localAddr: object;
  readonly remoteAddr: object;
  closeWrite(): Promise<void>;
}

/** A socket of `Bun.listen` or `Bun.connect`, by what tells it from everything else: Bun's types don't show its `fd`. */
export interface BunSocketLike {
  readonly readyState: number;
  readonly bytesWritten: number;
  terminate(): void;
}

/** A `ReadableStream` of bytes, such as the body of a Request, by what is used of it. */
export interface ReadableStreamLike {
  readonly locked: boolean;
  getReader(): {
    read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
    cancel(reason?: unknown): Promise<void>;
  };
}

/** What only its own runtime takes. */
export type RuntimeEnd = BunFileLike | BunSocketLike | DenoConnLike;

/**
 * Where bytes come from: a path or file URL, a descriptor, an open file, a socket, a stream, a shared ring, or memory that stays as it is
 * meanwhile.
 */
export type Source =
  | string
  | URL
  | number
  | HasFd
  | FileHandle
  | Readable
  | ReadableStreamLike
  | SharedRing
  | Uint8Array
  | RuntimeEnd;

/** Where bytes go: a path or file URL (created, or emptied unless `targetOffset` is given), a descriptor, an open file, a socket, a stream or a shared ring. */
export type Target = string | URL | number | HasFd | FileHandle | Writable | SharedRing | RuntimeEnd;

/**
 * One of two connections of a pair: a socket of node:net, one of the runtime's own, or a descriptor of a stream socket,
 * whose number stays the caller's to close.
 */
export type ProxyEnd = Socket | BunSocketLike | DenoConnLike | HasFd | number;

/** What a lease can be taken on: a regular file. */
export type LeaseSource = string | URL | number | HasFd | FileHandle;

export interface LeaseOptions {
  /**
   * For how long somebody may be held up when the lease is broken, in milliseconds; then it is released by itself.
   * Default, and most: seven eighths of /proc/sys/fs/lease-break-time, which is 45 s where nobody has changed it.
   */
  readonly holdMs?: number | undefined;
}

export interface CopyOptions {
  /** Whether an existing target is replaced. Default true. When false: `EEXIST`. */
  readonly overwrite?: boolean | undefined;
  /** Keep the source's mode, and its times to the nanosecond (without the engine, to the microsecond). Default false: of a new file the mode less the umask, as cp does; of one that is replaced its own. */
  readonly preserve?: boolean | undefined;
  /** "always" fails where blocks can't be shared, "never" makes sure they are not. Default "auto". */
  readonly reflink?: "auto" | "always" | "never" | undefined;
  /** Keep holes as holes. Default "auto": where the source has any. */
  readonly sparse?: "auto" | "always" | "never" | undefined;
  /**
   * How the page cache is treated; see `TransferOptions`. "direct" copies every block, so that it can't be had with
   * `reflink: "always"`. Default "normal".
   */
  readonly cache?: CacheMode | undefined;
  /** fsync the file and its folder before resolving. Default false. */
  readonly durable?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with the bytes copied so far, at most about ten times a second, and once at the end. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

export const copyOptions: Names<CopyOptions> = {
  overwrite: true,
  preserve: true,
  reflink: true,
  sparse: true,
  cache: true,
  durable: true,
  signal: true,
  onProgress: true,
};

/** What a network interface does by itself (SIOCETHTOOL, ethtool(8)). */
export interface InterfaceFeatures {
  /** It gathers a packet from several pages, so that sendfile needs no copy. */
  readonly scatterGather: boolean;
  /** It cuts large sends into segments. */
  readonly tso: boolean;
  readonly txChecksum: boolean;
}
