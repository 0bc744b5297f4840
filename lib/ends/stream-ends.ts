/** Readables as sources, Writables as targets. */
import { type Readable, Writable } from "node:stream";
import type { Native } from "../../core/abi/abi.ts";
import { argumentError, TransferError } from "../../core/error.ts";
import { type Endpoint, endpoint } from "../../core/plan/endpoint.ts";
import type { SourceEnd } from "./source.ts";
import type { TargetEnd } from "./target.ts";
import { lockWrites, type WriteLock } from "./write-lock.ts";
import { codeOf } from "../support/system-error.ts";

/** @throws TypeError for streams of anything else */
export function checkGivesBytes(stream: Readable): void {
  if (stream.readableObjectMode || stream.readableEncoding !== null)
    throw argumentError("ERR_INVALID_ARG_VALUE", "source stream must give bytes, not objects or strings");
}

/** A listener of what comes out of a transfer's own promise: an 'error' without a listener would end the process. */
export const ignore = (): void => {};

/** Any Readable: bytes come out of its buffer. */
export class StreamSource implements SourceEnd {
  readonly #stream: Readable;
  #over = false;
  #wake: (() => void) | undefined;

  constructor(stream: Readable) {
    checkGivesBytes(stream);
    this.#stream = stream;
  }

  open(): Promise<void> | undefined {
    // The second keeps the stream from flowing to listeners of 'data', or nowhere, also between two waits of ours.
    this.#stream.on("error", ignore).on("readable", ignore);
    return undefined;
  }

  inspect(_native: Native | string): Endpoint {
    return endpoint({ kind: "stream", name: "stream", fd: false, withoutFd: "the source is a stream of JavaScript" });
  }

  async read(max: number): Promise<Uint8Array | undefined> {
    const stream = this.#stream;
    for (;;) {
      if (stream.errored) throw stream.errored;
      const ready = stream.readableLength;
      const chunk: unknown = stream.read(ready > 0 ? Math.min(ready, max) : undefined);
      if (chunk instanceof Uint8Array && chunk.byteLength <= max) return chunk;
      if (chunk instanceof Uint8Array) {
        stream.unshift(chunk.subarray(max));
        return chunk.subarray(0, max);
      }
      if (stream.readableEnded) return undefined;
      if (stream.errored) throw stream.errored;
      if (stream.destroyed)
        throw new TransferError("Cannot send stream: it was closed before its end", { code: "ERR_SLUICE_CLOSED" });
      await this.#event();
      // A transfer that was aborted meanwhile must not take bytes that come later.
      if (this.#over) return undefined;
    }
  }

  /** Waits for something to happen, or for the end of the transfer. */
  #event(): Promise<void> {
    const names = ["readable", "end", "close", "error"];
    return new Promise((resolve) => {
      const wake = () => {
        for (const name of names) this.#stream.off(name, wake);
        resolve();
      };
      this.#wake = wake;
      for (const name of names) this.#stream.on(name, wake);
    });
  }

  end(_broken: boolean): undefined {
    this.#over = true;
    this.#wake?.();
    // A stream that has failed may tell of it only later in this turn of the event loop.
    if (!this.#stream.destroyed) this.#stream.off("error", ignore);
    this.#stream.off("readable", ignore);
    return undefined;
  }
}

/** Any Writable. One that is a proper stream gives us its write lock; others get plain writes. */
export class StreamTarget implements TargetEnd {
  protected readonly stream: Writable;
  #lock: WriteLock | undefined;
  #ended = false;
  #onClose: (() => void) | undefined;
  readonly #proper: boolean;
  readonly buffers = true;

  constructor(stream: Writable) {
    this.stream = stream;
    this.#proper = stream instanceof Writable && !stream.writableObjectMode;
  }

  refuse(): void {
    const { stream } = this;
    if (stream.destroyed) throw targetClosed("it is closed", codeOf(stream.errored) ?? "ERR_SLUICE_CLOSED");
    if (stream.writableEnded) throw targetClosed("it was ended before", "ERR_STREAM_WRITE_AFTER_END");
  }

  enter(): Promise<void> | undefined {
    const { stream } = this;
    this.refuse();
    stream.on("error", ignore);
    if (!this.#proper) return undefined;
    let settle: { resolve: () => void; reject: (error: Error) => void } | undefined;
    let failure: Error | undefined;
    lockWrites(
      stream,
      (lock) => {
        if (this.#ended) return lock.release();
        this.#lock = lock;
        settle?.resolve();
      },
      (error) => {
        failure = error;
        settle?.reject(error);
      },
    );
    if (this.#lock !== undefined) return undefined;
    return new Promise((resolve, reject) => {
      if (failure !== undefined) reject(failure);
      settle = { resolve, reject };
    });
  }

  get isOpen(): boolean {
    return true;
  }

  inspect(_native: Native | string): Endpoint {
    return endpoint({ kind: "stream", name: "stream", fd: false, withoutFd: "the target is a stream of JavaScript" });
  }

  async write(bytes: Uint8Array): Promise<number> {
    if (this.#lock !== undefined) await this.#lock.write(bytes);
    else
      await new Promise<void>((resolve, reject) => {
        this.stream.write(bytes, (error) => (error ? reject(error) : resolve()));
      });
    return bytes.byteLength;
  }

  watch(closed: (error?: unknown) => void): void {
    this.#onClose = () => closed(this.stream.errored);
    this.stream.once("close", this.#onClose);
  }

  end(broken: boolean): Promise<void> | undefined {
    this.#ended = true;
    const { stream } = this;
    if (this.#onClose !== undefined) stream.off("close", this.#onClose);
    // Without an error: the caller hears of it from the transfer, and may listen to 'close'.
    if (broken) stream.destroy();
    this.#lock?.release();
    this.#lock = undefined;
    // A stream that has failed may tell of it only later in this turn of the event loop.
    if (!stream.destroyed) stream.off("error", ignore);
    return undefined;
  }
}

export function targetClosed(detail: string, code = "EPIPE"): TransferError {
  return new TransferError(`Cannot send to socket: ${detail} (${code}, write)`, { code, syscall: "write" });
}
