/** Tells of progress while bytes move outside JavaScript: to the caller, and to a socket's idle timer. */
import { TransferError } from "../../core/error.ts";
import type { TargetEnd } from "../ends/target.ts";

/** Least time between two calls of onProgress, in milliseconds. */
const intervalMs = 100;

export class Progress {
  readonly #counter: { readonly progress: number };
  readonly #target: TargetEnd;
  readonly #listener: ((bytes: number) => void) | undefined;
  readonly #timer: ReturnType<typeof setInterval> | undefined;
  readonly #onThrow: (error: unknown) => void;
  #seen = 0;

  constructor(
    counter: { readonly progress: number },
    target: TargetEnd,
    listener: ((bytes: number) => void) | undefined,
    onThrow: (error: unknown) => void,
  ) {
    this.#onThrow = onThrow;
    this.#counter = counter;
    this.#target = target;
    this.#listener = listener;
    const idle = target.idleTimeoutMs;
    if (listener !== undefined) this.#timer = setInterval(() => this.#tick(), intervalMs);
    else if (idle > 0) this.#timer = setInterval(() => this.#tick(), Math.max(intervalMs, idle / 4));
  }

  #tick(): void {
    const bytes = this.#counter.progress;
    if (bytes === this.#seen) return;
    this.#seen = bytes;
    this.#target.touch();
    try {
      this.#listener?.(bytes);
    } catch (error) {
      // Out of a timer it would end the process.
      this.#onThrow(error);
    }
  }

  /** The last call: all bytes have moved. */
  finish(bytes: number): void {
    try {
      this.#listener?.(bytes);
    } catch (cause) {
      throw new TransferError("Cannot report the end of a complete transfer: onProgress threw", {
        code: "ABORT_ERR",
        bytesTransferred: bytes,
        cause,
      });
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
