/** Without descriptors: chunks that JavaScript reads once and hands to each target's transfer. */
import { errnoNumber } from "../../core/abi/errno.ts";
import { type Native } from "../../core/abi/abi.ts";
import { type Endpoint, endpoint } from "../../core/plan/endpoint.ts";
import { nothing, type Outcome } from "../../core/plan/kernel.ts";
import type { TeeRequest } from "../../core/tee.ts";
import type { Cancellation } from "../transfer/cancellation.ts";
import type { SourceEnd } from "../ends/source.ts";
import { patiently } from "../transfer/portable.ts";
import { codeOf } from "../support/system-error.ts";
import type { Distribution } from "./distribution.ts";

const chunkBytes = 256 * 1024;

/** What one target has still to take. */
class Queue implements SourceEnd {
  readonly fd = undefined;
  readonly #chunks: Uint8Array[] = [];
  #bytes = 0;
  #over = false;
  #left = false;
  #wake: () => void = () => {};
  readonly #onTaken: () => void;

  constructor(onTaken: () => void) {
    this.#onTaken = onTaken;
  }

  /** Bytes that wait; undefined when nobody takes them any more. */
  get waiting(): number | undefined {
    return this.#left ? undefined : this.#bytes;
  }

  push(chunk: Uint8Array): void {
    if (this.#left) return;
    this.#chunks.push(chunk);
    this.#bytes += chunk.byteLength;
    this.#wake();
  }

  finish(): void {
    this.#over = true;
    this.#wake();
  }

  async read(max: number): Promise<Uint8Array | undefined> {
    while (this.#chunks.length === 0) {
      if (this.#over || this.#left) return undefined;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const [first] = this.#chunks;
    if (first === undefined) return undefined;
    const taken = first.subarray(0, max);
    if (taken.byteLength < first.byteLength) this.#chunks[0] = first.subarray(max);
    else this.#chunks.shift();
    this.#bytes -= taken.byteLength;
    this.#onTaken();
    return taken;
  }

  inspect(_native: Native | string): Endpoint {
    return endpoint({ kind: "stream", name: "tee", fd: false, withoutFd: "its bytes come through JavaScript" });
  }

  open(): undefined {
    return undefined;
  }

  keep(): void {
    // Nobody else has it.
  }

  keepReadable(): void {
    // It is read as it is.
  }

  stop(): void {
    // Nobody else reads it.
  }

  watch(): void {
    // Nobody else closes it.
  }

  end(): undefined {
    this.#left = true;
    this.#chunks.length = 0;
    this.#wake();
    this.#onTaken();
    return undefined;
  }
}

export class PortableDistribution implements Distribution {
  readonly strategy = "portable";
  readonly reason: string;
  readonly sources: readonly Queue[];
  readonly #source: SourceEnd;
  readonly #request: TeeRequest;
  readonly #cancellation: Cancellation;
  #wake: () => void = () => {};

  constructor(
    source: SourceEnd,
    hasPositions: boolean,
    count: number,
    request: TeeRequest,
    cancellation: Cancellation,
    reason: string,
  ) {
    this.#source = source;
    this.#at = hasPositions ? request.offset : undefined;
    this.#request = request;
    this.#cancellation = cancellation;
    this.reason = reason;
    this.sources = Array.from({ length: count }, () => new Queue(() => this.#wake()));
    cancellation.onCancel(() => this.#wake());
  }

  #at: number | undefined;

  async run(): Promise<Outcome> {
    let bytes = 0;
    const { length = Infinity, lag } = this.#request;
    try {
      while (bytes < length) {
        const waiting = this.sources.map((queue) => queue.waiting).filter((each) => each !== undefined);
        if (this.#cancellation.outcome() !== undefined) return { ...nothing, end: "cancelled", bytes };
        if (waiting.length === 0) return { ...nothing, end: "error", errno: errnoNumber("EPIPE"), bytes };
        if (Math.max(...waiting) >= lag) {
          await new Promise<void>((resolve) => (this.#wake = resolve));
          continue;
        }
        const most = Math.min(chunkBytes, lag, length - bytes);
        const chunk = await patiently(() => this.#read(most), this.#cancellation);
        if (chunk === null) return { ...nothing, end: "eof", bytes };
        if (chunk === undefined) continue;
        for (const queue of this.sources) queue.push(chunk);
        bytes += chunk.byteLength;
        if (this.#at !== undefined) this.#at += chunk.byteLength;
      }
      return { ...nothing, end: "done", bytes };
    } catch (cause) {
      return { ...nothing, end: "error", errno: errnoNumber(codeOf(cause) ?? ""), failed: "source", bytes, cause };
    }
  }

  /** null at the end: undefined is what a cancelled wait answers. */
  async #read(max: number): Promise<Uint8Array | null> {
    return (await this.#source.read(max, this.#at)) ?? null;
  }

  stop(): void {
    this.#wake();
  }

  finish(): void {
    for (const queue of this.sources) queue.finish();
  }
}
