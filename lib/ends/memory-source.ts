/** Memory as a source. */
import { limits, type Native } from "../../core/abi/abi.ts";
import { type Endpoint, endpoint } from "../../core/plan/endpoint.ts";
import { TransferError } from "../../core/error.ts";
import type { Runtime } from "../runtime.ts";
import type { SourceEnd } from "./source.ts";

/** How often memory that is used where it is, is looked at whether it is there still, in milliseconds. */
const watchMs = 50;

/**
 * Why memory can't be used where it is: its place or its size may change under a transfer; or undefined. A Worker that is
 * terminated runs nothing more that could tell the engine: it would read, and send, what comes to lie there next.
 */
function unsteady({ buffer }: Uint8Array, runtime: Runtime): string | undefined {
  if (runtime.isWorker()) return "the memory of a Worker goes with it at any time";
  const { resizable, growable } = buffer as { readonly resizable?: boolean; readonly growable?: boolean };
  if (resizable === true || growable === true) return "the buffer may be resized under it";
  return buffer instanceof ArrayBuffer ? undefined : "the buffer is shared with other threads";
}

/** Bytes in memory. */
export class MemorySource implements SourceEnd {
  bytes: Uint8Array;
  readonly #size: number;
  /** Whether it is copied before the call returns, so that nobody can do anything to it. */
  readonly #isCopied: boolean;
  #isOurs = false;
  #watch: ReturnType<typeof setInterval> | undefined;
  readonly #runtime: Runtime;
  readonly fd = undefined;

  constructor(bytes: Uint8Array, runtime: Runtime) {
    this.bytes = bytes;
    this.#runtime = runtime;
    this.#size = bytes.byteLength;
    this.#isCopied = bytes.byteLength <= limits.copied_memory_bytes;
  }

  keep(): void {
    if (!this.#isCopied || this.#isOurs) return;
    this.bytes = this.bytes.slice();
    this.#isOurs = true;
  }

  keepReadable(): void {
    this.keep();
  }

  open(): undefined {
    return undefined;
  }

  inspect(native: Native | string): Endpoint {
    this.verify();
    const withoutFd =
      typeof native === "string" ? native : this.#isCopied ? undefined : unsteady(this.bytes, this.#runtime);
    return endpoint({
      kind: "memory",
      name: "bytes",
      fd: withoutFd === undefined,
      ...(withoutFd !== undefined && { withoutFd }),
      writable: false,
      size: this.#size,
    });
  }

  stop(): void {
    // Nobody else reads it.
  }

  async read(max: number, offset = 0): Promise<Uint8Array | undefined> {
    return offset >= this.bytes.byteLength ? undefined : this.bytes.subarray(offset, offset + max);
  }

  /** Whether somebody has taken the memory away: by transfer(), postMessage(), or growth of a WebAssembly memory. */
  get #isDetached(): boolean {
    return !this.#isCopied && this.bytes.byteLength !== this.#size;
  }

  /** Nothing tells that a buffer was detached; only the kernel reads it, so that nobody crashes meanwhile. */
  watch(closed: (error?: unknown) => void): void {
    if (this.#isCopied) return;
    this.#watch = setInterval(() => this.#isDetached && closed(), watchMs);
  }

  /** @throws TransferError `ERR_SLUICE_CLOSED` where other bytes may have been sent than were there */
  verify(): void {
    if (this.#isDetached)
      throw new TransferError("Cannot send bytes: their buffer was detached meanwhile", {
        code: "ERR_SLUICE_CLOSED",
        failed: "source",
      });
  }

  end(): undefined {
    clearInterval(this.#watch);
    return undefined;
  }
}
