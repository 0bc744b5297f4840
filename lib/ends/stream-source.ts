/** Readables as sources. */
import type { Readable } from "node:stream";
import type { Native } from "../../core/abi/abi.ts";
import { type Endpoint, endpoint } from "../../core/plan/endpoint.ts";
import { argumentError, TransferError } from "../../core/error.ts";
import type { SourceEnd } from "./source.ts";

/** @throws TypeError for streams of anything else */
export function checkGivesBytes(stream: Readable): void {
  if (stream.readableObjectMode || stream.readableEncoding !== null)
    throw argumentError("ERR_INVALID_ARG_VALUE", "source stream must give bytes, not objects or strings");
}

/** Any Readable: bytes come out of its buffer. */
export class StreamSource implements SourceEnd {
  readonly #stream: Readable;
  #over = false;
  #wake: () => void = () => {};
  /** Failures come out of the transfer's own promise; without a listener they would end the process. */
  readonly #onError = () => {};
  /** Keeps the stream from flowing to listeners of 'data', or nowhere, from the call to the end: also between two waits of ours. */
  readonly #onReadable = () => {};

  constructor(stream: Readable) {
    checkGivesBytes(stream);
    this.#stream = stream;
  }

  get fd(): number | undefined {
    return undefined;
  }

  keep(): void {
    // An object stays itself.
  }

  keepReadable(): void {
    // It is read as it is.
  }

  open(): Promise<void> | undefined {
    this.#stream.on("error", this.#onError).on("readable", this.#onReadable);
    return undefined;
  }

  inspect(_native: Native | string): Endpoint {
    return endpoint({ kind: "stream", name: "stream", fd: false, withoutFd: "the source is a stream of JavaScript" });
  }

  stop(): void {
    // Only the runtime can read it.
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
      this.#wake = () => {
        for (const name of names) this.#stream.off(name, this.#wake);
        resolve();
      };
      for (const name of names) this.#stream.on(name, this.#wake);
    });
  }

  watch(_closed: (error?: unknown) => void): void {
    // Reading it tells.
  }

  end(_broken: boolean): undefined {
    this.#over = true;
    this.#wake();
    // A stream that has failed may tell of it only later in this turn of the event loop.
    if (!this.#stream.destroyed) this.#stream.off("error", this.#onError);
    this.#stream.off("readable", this.#onReadable);
    return undefined;
  }
}
