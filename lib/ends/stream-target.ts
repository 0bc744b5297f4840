/** Writables as targets. */
import { Writable } from "node:stream";
import type { Native } from "../../core/abi/abi.ts";
import { type Endpoint, endpoint } from "../../core/plan/endpoint.ts";
import { TransferError } from "../../core/error.ts";
import { enterGate, type Turn } from "./gate.ts";
import { codeOf } from "../support/system-error.ts";
import type { TargetEnd } from "./target.ts";

/** Any Writable. One that is a proper stream gives us a turn in its queue; others get plain writes. */
export class StreamTarget implements TargetEnd {
  protected readonly stream: Writable;
  #turn: Turn | undefined;
  #ended = false;
  #onClose: (() => void) | undefined;
  /** Failures come out of the transfer's own promise; without a listener they would end the process. */
  readonly #onError = () => {};
  readonly #proper: boolean;
  readonly buffers = true;

  constructor(stream: Writable) {
    this.stream = stream;
    this.#proper = stream instanceof Writable && !stream.writableObjectMode;
  }

  get fd(): number | undefined {
    return undefined;
  }

  refuse(): void {
    const { stream } = this;
    if (stream.destroyed) throw targetClosed("it is closed", codeOf(stream.errored) ?? "ERR_SLUICE_CLOSED");
    if (stream.writableEnded) throw targetClosed("it was ended before", "ERR_STREAM_WRITE_AFTER_END");
  }

  enter(): Promise<void> | undefined {
    const { stream } = this;
    this.refuse();
    stream.on("error", this.#onError);
    if (!this.#proper) return undefined;
    let settle: { resolve: () => void; reject: (error: Error) => void } | undefined;
    let failure: Error | undefined;
    enterGate(
      stream,
      (turn) => {
        if (this.#ended) return turn.release();
        this.#turn = turn;
        settle?.resolve();
      },
      (error) => {
        failure = error;
        settle?.reject(error);
      },
    );
    if (this.#turn !== undefined) return undefined;
    return new Promise((resolve, reject) => {
      if (failure !== undefined) reject(failure);
      settle = { resolve, reject };
    });
  }

  get isOpen(): boolean {
    return true;
  }

  keep(): void {
    // An object stays itself.
  }

  open(): Promise<void> | undefined {
    return undefined;
  }

  inspect(_native: Native | string): Endpoint {
    return endpoint({ kind: "stream", name: "stream", fd: false, withoutFd: "the target is a stream of JavaScript" });
  }

  empty(): undefined {
    return undefined;
  }

  async write(bytes: Uint8Array): Promise<number> {
    if (this.#turn !== undefined) await this.#turn.write(bytes);
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

  touch(): void {
    // No time-outs here.
  }

  get idleTimeoutMs(): number {
    return 0;
  }

  end(broken: boolean): Promise<void> | undefined {
    this.#ended = true;
    const { stream } = this;
    if (this.#onClose !== undefined) stream.off("close", this.#onClose);
    // Without an error: the caller hears of it from the transfer, and may listen to 'close'.
    if (broken) stream.destroy();
    this.#turn?.release();
    this.#turn = undefined;
    // A stream that has failed may tell of it only later in this turn of the event loop.
    if (!stream.destroyed) stream.off("error", this.#onError);
    return undefined;
  }
}

export function targetClosed(detail: string, code = "EPIPE"): TransferError {
  return new TransferError(`Cannot send to socket: ${detail} (${code}, write)`, { code, syscall: "write" });
}
