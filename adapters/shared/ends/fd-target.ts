/** Descriptors and paths as targets. */
import { fstatSync, fsync, write } from "node:fs";
import { dirname } from "node:path";
import { promisify } from "node:util";
import type { Native } from "../../../core/abi.ts";
import type { Endpoint } from "../../../core/endpoint.ts";
import type { AbortSignalLike } from "../../../core/request.ts";
import { inspectFd } from "../inspect.ts";
import { syncFolder } from "../copy/destination.ts";
import { closeFd, type Duplicate, duplicate, empty, type OpenedPath, openTarget, removeFile } from "../open.ts";
import { fsCall } from "../system-error.ts";
import type { TargetEnd } from "./target.ts";

const writeAsync = promisify(write);
const fsyncAsync = promisify(fsync);

/**
 * PIPE_BUF: what a full pipe takes as a whole or not at all (pipe(7)). Deno writes the rest of a short write
 * by itself, and when that says EAGAIN, nobody learns of the part that went.
 */
const pipeBuf = 4096;

export class FdTarget implements TargetEnd {
  readonly #from: number | string | URL;
  readonly #signal: AbortSignalLike | undefined;
  readonly #durable: boolean;
  #opening: Promise<void> | undefined;
  #opened: OpenedPath | undefined;
  #duplicate: Duplicate | undefined;
  #mostBytes = Infinity;
  readonly idleTimeoutMs = 0;
  readonly buffers = false;

  constructor(from: number | string | URL, signal: AbortSignalLike | undefined, durable = false) {
    this.#from = from;
    this.#signal = signal;
    this.#durable = durable;
  }

  get fd(): number {
    return typeof this.#from === "number" ? (this.#duplicate?.fd ?? this.#from) : (this.#opened?.fd ?? -1);
  }

  get isOpen(): boolean {
    return typeof this.#from === "number";
  }

  get path(): string | undefined {
    return this.#opened?.name;
  }

  enter(): undefined {
    return undefined;
  }

  keep(native: Native | string): void {
    if (typeof this.#from !== "number" || this.#from < 0 || typeof native === "string") return;
    this.#duplicate = duplicate(native, this.#from, `fd ${this.#from}`);
  }

  open(): Promise<void> | undefined {
    if (typeof this.#from === "number") return undefined;
    this.#opening = openTarget(this.#from, this.#signal).then((opened) => {
      this.#opened = opened;
    });
    return this.#opening;
  }

  inspect(native: Native | string): Endpoint {
    const found = inspectFd(native, this.fd, this.path ?? `fd ${this.fd}`);
    if (found.kind === "pipe") this.#mostBytes = pipeBuf;
    return found;
  }

  empty(): Promise<void> | undefined {
    return this.#opened === undefined || this.#opened.created ? undefined : empty(this.#opened.fd, this.#opened.name);
  }

  async write(bytes: Uint8Array, offset: number | undefined): Promise<number> {
    const fd = typeof this.#from === "number" ? this.#from : this.fd;
    const length = Math.min(bytes.byteLength, this.#mostBytes);
    return (await writeAsync(fd, bytes, 0, length, offset ?? null)).bytesWritten;
  }

  watch(): void {
    // A bare descriptor can't tell that it was closed; the engine works on a duplicate.
  }

  touch(): void {
    // No time-outs here.
  }

  async commit(): Promise<void> {
    const opened = this.#opened;
    // A FIFO or a device has nothing that fsync(2) could keep.
    if (!this.#durable || opened === undefined || !fstatSync(opened.fd).isFile()) return;
    await fsCall(`write ${opened.name}`, "fsync", fsyncAsync(opened.fd));
    if (opened.created) await syncFolder(dirname(opened.name));
  }

  async end(_broken: boolean, untouched: boolean): Promise<void> {
    // An abort may have overtaken the opening; what comes of it is closed all the same.
    if (this.#opening !== undefined) await Promise.allSettled([this.#opening]);
    this.#duplicate?.close();
    this.#duplicate = undefined;
    const opened = this.#opened;
    this.#opened = undefined;
    if (opened === undefined) return;
    await closeFd(opened.fd);
    if (untouched && opened.created) await removeFile(opened.name);
  }
}
