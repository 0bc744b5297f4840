/** Descriptors and paths as sources and targets. */
import { fstatSync, fsync, openSync, read, write } from "node:fs";
import { promisify } from "node:util";
import type { Native } from "../../core/abi/abi.ts";
import { asNew, type Endpoint } from "../../core/plan/endpoint.ts";
import type { AbortSignalLike } from "../../core/options.ts";
import { Place } from "../copy/place.ts";
import { inspectFd } from "./inspect-fd.ts";
import { lookAtTarget, newTargetAt, lookAtSource } from "./inspect-path.ts";
import {
  closeFd,
  createTarget,
  type Duplicate,
  duplicate,
  empty,
  nameOf,
  type OpenedPath,
  openSource,
  openTarget,
  takeBack,
} from "./open-path.ts";
import type { SourceEnd, Surroundings } from "./source.ts";
import type { TargetEnd } from "./target.ts";
import { callFailed, fsCall } from "../support/system-error.ts";

const readAsync = promisify(read);

/** A description of our own of a borrowed file, where there is no engine to duplicate it. */
function reopen(fd: number): number | undefined {
  try {
    return fstatSync(fd).isFile() ? openSync(`/proc/self/fd/${fd}`, "r") : undefined;
  } catch {
    // No /proc, no permission, or a bad descriptor: it is used as it is, and reading it will tell.
    return undefined;
  }
}

/** A descriptor: borrowed from the caller, or ours when it was opened from a path. */
export class FdSource implements SourceEnd {
  readonly #from: number | string | URL;
  #opening: Promise<void> | undefined;
  #opened: OpenedPath | undefined;
  /** What holds a borrowed file for us: the engine's duplicate, and a description of its own that node:fs can read. */
  #duplicate: Duplicate | undefined;
  #reopened: number | undefined;

  constructor(from: number | string | URL) {
    this.#from = from;
  }

  get path(): string | undefined {
    return typeof this.#from === "number" ? undefined : nameOf(this.#from);
  }

  get #name(): string {
    return this.#opened?.name ?? `fd ${this.#borrowed}`;
  }

  /** The caller's descriptor; -1 for a path. */
  get #borrowed(): number {
    return typeof this.#from === "number" ? this.#from : -1;
  }

  get fd(): number {
    return this.#opened?.fd ?? this.#duplicate?.fd ?? this.#reopened ?? this.#borrowed;
  }

  keep(native: Native | string): void {
    if (this.#borrowed < 0 || this.#duplicate !== undefined) return;
    if (typeof native === "string") this.keepReadable();
    else this.#duplicate = duplicate(native, this.#borrowed, this.#name);
  }

  keepReadable(): void {
    if (this.#borrowed >= 0) this.#reopened ??= reopen(this.fd);
  }

  open(): Promise<void> | undefined {
    if (typeof this.#from === "number") return undefined;
    this.#opening = openSource(this.#from).then((opened) => {
      this.#opened = opened;
    });
    return this.#opening;
  }

  inspect(native: Native | string): Endpoint {
    return inspectFd(native, this.fd, this.#name);
  }

  async look(around: Surroundings): Promise<Endpoint> {
    return typeof this.#from === "number" ? this.inspect(around.native) : lookAtSource(around, this.#from);
  }

  async read(max: number, offset: number | undefined): Promise<Uint8Array | undefined> {
    const buffer = new Uint8Array(max);
    const fd = this.#opened?.fd ?? this.#reopened ?? this.#borrowed;
    const { bytesRead } = await readAsync(fd, buffer, 0, max, offset ?? null);
    return bytesRead === 0 ? undefined : buffer.subarray(0, bytesRead);
  }

  end(): Promise<void> | undefined {
    const isOurs = this.#opening !== undefined || this.#duplicate !== undefined || this.#reopened !== undefined;
    return isOurs ? this.#close() : undefined;
  }

  async #close(): Promise<void> {
    // An abort may have overtaken the opening; what comes of it is closed all the same.
    if (this.#opening !== undefined) await Promise.allSettled([this.#opening]);
    this.#duplicate?.close();
    for (const fd of [this.#opened?.fd, this.#reopened]) if (fd !== undefined) await closeFd(fd);
    this.#duplicate = this.#opened = this.#reopened = undefined;
  }
}

const writeAsync = promisify(write);
const fsyncAsync = promisify(fsync);

/**
 * PIPE_BUF: what a full pipe takes as a whole or not at all (pipe(7)). Deno writes the rest of a short write
 * by itself, and when that says EAGAIN, the part that went is not told.
 */
const pipeBuf = 4096;

/** How often a file is made anew that others take away. */
const mostTries = 20;

export class FdTarget implements TargetEnd {
  readonly #from: number | string | URL;
  readonly #signal: AbortSignalLike | undefined;
  readonly #durable: boolean;
  #opening: Promise<void> | undefined;
  #opened: OpenedPath | undefined;
  /** Where it is to be made, while nothing is there. */
  #place: Place | undefined;
  /** What it would be then. */
  #planned: Endpoint | undefined;
  #native: Native | string = "";
  #duplicate: Duplicate | undefined;
  #mostBytes = Infinity;

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
    return typeof this.#from === "number" ? undefined : nameOf(this.#from);
  }

  keep(native: Native | string): void {
    this.#native = native;
    if (typeof this.#from !== "number" || this.#from < 0 || typeof native === "string") return;
    this.#duplicate = duplicate(native, this.#from, `fd ${this.#from}`);
  }

  open(): Promise<void> | undefined {
    if (typeof this.#from === "number") return undefined;
    this.#opening = this.#open(this.#from);
    return this.#opening;
  }

  async #open(path: string | URL): Promise<void> {
    this.#opened = await openTarget(path, this.#signal);
    if (this.#opened !== undefined) return;
    this.#place = await Place.find(nameOf(path));
    this.#planned = await newTargetAt(this.#native, this.#place);
  }

  make(): Promise<void> | undefined {
    if (typeof this.#from === "number" || this.#place === undefined) return undefined;
    this.#opening = this.#make(this.#from, this.#place);
    return this.#opening;
  }

  /** Others may make it, and take it away again, at the same time. */
  async #make(path: string | URL, place: Place): Promise<void> {
    for (let tries = 1; tries <= mostTries; tries++) {
      this.#opened = (await createTarget(place)) ?? (await openTarget(path, this.#signal));
      if (this.#opened !== undefined) return;
    }
    throw callFailed(`open ${place.path}`, "open", "EEXIST");
  }

  inspect(native: Native | string): Endpoint {
    this.#native = native;
    if (this.#opened === undefined && this.#planned !== undefined) return this.#planned;
    const found = inspectFd(native, this.fd, this.path ?? `fd ${this.fd}`);
    if (found.kind === "pipe") this.#mostBytes = pipeBuf;
    return this.#opened?.place !== undefined ? asNew(found) : found;
  }

  async look(around: Surroundings): Promise<Endpoint> {
    return typeof this.#from === "number" ? this.inspect(around.native) : lookAtTarget(around, this.#from);
  }

  empty(): Promise<void> | undefined {
    return this.#opened === undefined || this.#opened.place !== undefined
      ? undefined
      : empty(this.#opened.fd, this.#opened.name);
  }

  async write(bytes: Uint8Array, offset: number | undefined): Promise<number> {
    const fd = typeof this.#from === "number" ? this.#from : this.fd;
    const length = Math.min(bytes.byteLength, this.#mostBytes);
    return (await writeAsync(fd, bytes, 0, length, offset ?? null)).bytesWritten;
  }

  async commit(): Promise<void> {
    const opened = this.#opened;
    // A FIFO or a device has nothing that fsync(2) could keep.
    if (!this.#durable || opened === undefined || !fstatSync(opened.fd).isFile()) return;
    await fsCall(`write ${opened.name}`, "fsync", fsyncAsync(opened.fd));
    await opened.place?.sync();
  }

  async end(_broken: boolean, untouched: boolean): Promise<void> {
    // An abort may have overtaken the opening; what comes of it is closed all the same.
    if (this.#opening !== undefined) await Promise.allSettled([this.#opening]);
    this.#duplicate?.close();
    this.#duplicate = undefined;
    const [opened, place] = [this.#opened, this.#place];
    this.#opened = this.#place = undefined;
    try {
      if (opened !== undefined) await this.#give(opened, untouched);
    } finally {
      await place?.close();
    }
  }

  async #give(opened: OpenedPath, untouched: boolean): Promise<void> {
    try {
      if (untouched) takeBack(this.#native, opened);
    } finally {
      await closeFd(opened.fd);
    }
  }
}
