/** Descriptors and paths as sources. */
import { fstatSync, openSync, read } from "node:fs";
import { promisify } from "node:util";
import type { Native } from "../../core/abi/abi.ts";
import type { Endpoint } from "../../core/plan/endpoint.ts";
import { inspectFd } from "./inspect.ts";
import { lookAtSource } from "./look.ts";
import type { Machine } from "../engine/machine.ts";
import { closeFd, type Duplicate, duplicate, type OpenedPath, openSource } from "./open.ts";
import type { SourceEnd } from "./source.ts";

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

  async look(machine: Machine): Promise<Endpoint> {
    return typeof this.#from === "number" ? this.inspect(machine.native) : lookAtSource(machine, this.#from);
  }

  stop(): void {
    // Nobody else reads a descriptor.
  }

  async read(max: number, offset: number | undefined): Promise<Uint8Array | undefined> {
    const buffer = new Uint8Array(max);
    const fd = this.#opened?.fd ?? this.#reopened ?? this.#borrowed;
    const { bytesRead } = await readAsync(fd, buffer, 0, max, offset ?? null);
    return bytesRead === 0 ? undefined : buffer.subarray(0, bytesRead);
  }

  watch(): void {
    // A bare descriptor can't tell that it was closed; the engine works on a duplicate.
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
