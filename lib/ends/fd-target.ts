/** Descriptors and paths as targets. */
import { fstatSync, fsync, write } from "node:fs";
import { promisify } from "node:util";
import type { Native } from "../../core/abi/abi.ts";
import { asNew, type Endpoint } from "../../core/plan/endpoint.ts";
import type { AbortSignalLike } from "../../core/transfer/request.ts";
import { Place } from "../copy/place.ts";
import { inspectFd } from "./inspect.ts";
import { lookAtTarget, newTargetAt } from "./look.ts";
import type { Machine } from "../engine/machine.ts";
import {
  closeFd,
  createTarget,
  type Duplicate,
  duplicate,
  empty,
  nameOf,
  type OpenedPath,
  openTarget,
  takeBack,
} from "./open.ts";
import { callFailed, fsCall } from "../support/system-error.ts";
import type { TargetEnd } from "./target.ts";

const writeAsync = promisify(write);
const fsyncAsync = promisify(fsync);

/**
 * PIPE_BUF: what a full pipe takes as a whole or not at all (pipe(7)). Deno writes the rest of a short write
 * by itself, and when that says EAGAIN, nobody learns of the part that went.
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
    return typeof this.#from === "number" ? undefined : nameOf(this.#from);
  }

  enter(): undefined {
    return undefined;
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

  async look(machine: Machine): Promise<Endpoint> {
    return typeof this.#from === "number" ? this.inspect(machine.native) : lookAtTarget(machine, this.#from);
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
