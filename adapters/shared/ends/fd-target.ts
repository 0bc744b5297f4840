/** Descriptors and paths as targets. */
import { write } from "node:fs";
import { promisify } from "node:util";
import type { Native } from "../../../core/abi.ts";
import type { Endpoint } from "../../../core/endpoint.ts";
import type { AbortSignalLike } from "../../../core/request.ts";
import { inspectFd } from "../inspect.ts";
import { closeFd, duplicate, empty, type OpenedPath, openTarget, removeFile } from "../open.ts";
import type { TargetEnd } from "./target.ts";

const writeAsync = promisify(write);

export class FdTarget implements TargetEnd {
  readonly #from: number | string | URL;
  readonly #signal: AbortSignalLike | undefined;
  #opening: Promise<void> | undefined;
  #opened: OpenedPath | undefined;
  #duplicate: number | undefined;
  readonly idleTimeoutMs = 0;
  readonly buffers = false;

  constructor(from: number | string | URL, signal: AbortSignalLike | undefined) {
    this.#from = from;
    this.#signal = signal;
  }

  get fd(): number {
    return typeof this.#from === "number" ? (this.#duplicate ?? this.#from) : (this.#opened?.fd ?? -1);
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
    return inspectFd(native, this.fd, this.path ?? `fd ${this.fd}`);
  }

  empty(): Promise<void> | undefined {
    return this.#opened === undefined || this.#opened.created ? undefined : empty(this.#opened.fd, this.#opened.name);
  }

  async write(bytes: Uint8Array, offset: number | undefined): Promise<number> {
    return (await writeAsync(this.fd, bytes, 0, bytes.byteLength, offset ?? null)).bytesWritten;
  }

  watch(): void {
    // A bare descriptor can't tell that it was closed; the engine works on a duplicate.
  }

  touch(): void {
    // No time-outs here.
  }

  async end(_broken: boolean, untouched: boolean): Promise<void> {
    // An abort may have overtaken the opening; what comes of it is closed all the same.
    if (this.#opening !== undefined) await Promise.allSettled([this.#opening]);
    if (this.#duplicate !== undefined) await closeFd(this.#duplicate);
    this.#duplicate = undefined;
    const opened = this.#opened;
    this.#opened = undefined;
    if (opened === undefined) return;
    await closeFd(opened.fd);
    if (untouched && opened.created) await removeFile(opened.name);
  }
}
