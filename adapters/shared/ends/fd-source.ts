/** Descriptors and paths as sources. */
import { fstatSync, openSync, read } from "node:fs";
import { promisify } from "node:util";
import type { Native } from "../../../core/abi.ts";
import type { Endpoint } from "../../../core/endpoint.ts";
import { inspectFd } from "../inspect.ts";
import { closeFd, duplicate, openSource } from "../open.ts";
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
  #fd: number;
  #name: string;
  readonly #path: string | URL | undefined;
  #opening: Promise<void> | undefined;
  #ours = false;

  constructor(from: number | string | URL) {
    this.#path = typeof from === "number" ? undefined : from;
    this.#fd = typeof from === "number" ? from : -1;
    this.#name = `fd ${this.#fd}`;
  }

  get fd(): number {
    return this.#fd;
  }

  keep(native: Native | string): void {
    if (this.#fd < 0 || this.#ours) return;
    const kept = typeof native === "string" ? reopen(this.#fd) : duplicate(native, this.#fd, this.#name);
    if (kept === undefined) return;
    this.#fd = kept;
    this.#ours = true;
  }

  open(): Promise<void> | undefined {
    if (this.#path === undefined) return undefined;
    this.#opening = openSource(this.#path).then(({ fd, name }) => {
      this.#fd = fd;
      this.#ours = true;
      this.#name = name;
    });
    return this.#opening;
  }

  inspect(native: Native | string): Endpoint {
    return inspectFd(native, this.#fd, this.#name);
  }

  stop(): void {
    // Nobody else reads a descriptor.
  }

  async read(max: number, offset: number | undefined): Promise<Uint8Array | undefined> {
    const buffer = new Uint8Array(max);
    const { bytesRead } = await readAsync(this.#fd, buffer, 0, max, offset ?? null);
    return bytesRead === 0 ? undefined : buffer.subarray(0, bytesRead);
  }

  watch(): void {
    // A bare descriptor can't tell that it was closed; the engine works on a duplicate.
  }

  async end(): Promise<void> {
    // An abort may have overtaken the opening; what comes of it is closed all the same.
    if (this.#opening !== undefined) await Promise.allSettled([this.#opening]);
    if (!this.#ours) return;
    this.#ours = false;
    await closeFd(this.#fd);
  }
}
