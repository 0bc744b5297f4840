/** A shared ring for JavaScript: writes, reads, and views of what the other process has written. */
import type { Placement } from "../../core/mapping.ts";
import { argumentError, shown, TransferError } from "../../core/error.ts";
import { type AbortSignalLike, checkKnown, checkSignal } from "../../core/options.ts";
import { ringLayout } from "../../core/abi/ring-layout.ts";
import { KernelMemory } from "../map/kernel-memory.ts";
import type { Runtime } from "../runtime.ts";
import type { RingSide, RingStatus, RingWait } from "./ring-side.ts";

/** Most bytes of a chunk that is read. */
const chunkBytes = 256 * 1024;
/** Most bytes of a view: its room is the writer's again only when the reader has gone on. */
const viewBytes = 1024 * 1024;

export interface RingCallOptions {
  /**
   * Aborting rejects with `ABORT_ERR`, at once even where calls before this one still wait: it then does nothing when
   * its turn comes. What a write had put into the ring by then stays there: `bytesTransferred`.
   */
  readonly signal?: AbortSignal | undefined;
}

function checkCall(options: RingCallOptions): AbortSignalLike | undefined {
  checkKnown(options, { signal: true });
  checkSignal(options.signal);
  return options.signal;
}

function aborted(what: string, signal: AbortSignalLike, bytesTransferred: number): TransferError {
  return new TransferError(`Cannot ${what}: aborted after ${bytesTransferred} bytes`, {
    code: "ABORT_ERR",
    cause: signal.reason,
    bytesTransferred,
  });
}

/** Whether memory can be taken away from a view (ES2024; not on Node 20). */
const canDetach = "transfer" in ArrayBuffer.prototype;

/**
 * One side of a ring of bytes in memory that two processes share. The side that writes first is the writer for good; the other
 * side reads. See https://github.com/sluice-js/sluice/blob/main/docs/ipc.md.
 *
 * Errors are TransferErrors: `EOWNERDEAD` when the other process has died (at most 0.2 s later, and for a reader after
 * the last byte that was written), `EPIPE` when the reader, `ECONNRESET` when the writer has closed the ring before its
 * end, `ETIMEDOUT` when it was not opened in time, `EBADMSG` when the shared memory is no ring any more, `EBUSY` when
 * the other side writes (or reads) already, `ERR_SLUICE_CLOSED` when it has been closed here, `ABORT_ERR`.
 */
export class SharedRing implements AsyncDisposable {
  readonly #side: RingSide;
  readonly #runtime: Runtime;
  #memory: KernelMemory | undefined;
  /** The last of the calls that have to come one after the other. */
  #last: Promise<unknown> = Promise.resolve();

  /** @internal */
  constructor(runtime: Runtime, side: RingSide) {
    this.#runtime = runtime;
    this.#side = side;
  }

  /** @internal Of transfers. */
  get side(): RingSide {
    return this.#side;
  }

  /** Bytes that fit in. */
  get capacity(): number {
    return this.#side.capacity;
  }

  /** A descriptor of the ring's memory, for a child process to inherit; closed with the ring. It is no side of the ring. */
  get fd(): number {
    return this.#side.check("use the ring", this.#side.native.sluice_ring_fd(this.#side.handle));
  }

  /** What other processes of the same user open it by, as long as this side is open (proc(5)). */
  get path(): string {
    return `/proc/${process.pid}/fd/${this.fd}`;
  }

  /** What the two sides have said so far. */
  get status(): RingStatus {
    return this.#side.status();
  }

  /**
   * Copies bytes into the ring, waiting for room where there is none. Calls are served in their order. Resolves when the
   * last byte is in the ring, which is not to say that it has been read: see {@link end}.
   */
  write(bytes: Uint8Array, options: RingCallOptions = {}): Promise<void> {
    const signal = checkCall(options);
    if (!(bytes instanceof Uint8Array))
      throw argumentError("ERR_INVALID_ARG_TYPE", `bytes must be a Uint8Array, got ${shown(bytes)}`);
    return this.#call("write to the ring", signal, () => this.writeNow(bytes, signal));
  }

  /**
   * Says that no more will be written, and resolves when a reader has come and taken the last byte. Rejects where the
   * reader had died before it could hear of the end, whatever it had taken by then.
   */
  end(options: RingCallOptions = {}): Promise<void> {
    const signal = checkCall(options);
    const what = "end the ring";
    return this.#call(what, signal, async () => {
      this.#side.end();
      for (let drained = false; !drained;)
        drained = await this.#wait({ what, flag: "wait_room", bytes: this.capacity, signal });
    });
  }

  /** The next bytes, up to 256 KiB of them, copied out of the ring; undefined at the end. */
  read(options: RingCallOptions = {}): Promise<Uint8Array | undefined> {
    const signal = checkCall(options);
    return this.#call("read from the ring", signal, () => this.readNow(chunkBytes, signal));
  }

  /** Chunks as {@link read} gives them. Leaving the loop leaves the ring open. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    for (let chunk = await this.read(); chunk !== undefined; chunk = await this.read()) yield chunk;
  }

  /**
   * Chunks in place: views of the shared memory, up to 1 MiB each, without a copy. A view is good until the loop goes on
   * or is left; it is then empty, and its bytes count as read. The writer can still change what a view shows, if it
   * breaks the rules: check a copy of whatever must not change between a check and its use.
   *
   * On Node 20, which can't take memory away from a view, the chunks are copies.
   */
  async *views(options: RingCallOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
    const signal = checkCall(options);
    for (;;) {
      const lent = await this.#call("read from the ring", signal, () => this.#lend(signal));
      if (lent === undefined) return;
      try {
        yield lent.bytes;
      } finally {
        lent.giveBack();
      }
    }
  }

  async #lend(signal: AbortSignalLike | undefined): Promise<{ bytes: Uint8Array; giveBack(): void } | undefined> {
    const extent = await this.#next(signal);
    if (extent === null) return undefined;
    const length = Math.min(extent.end - extent.start, viewBytes);
    if (!canDetach) {
      const bytes = new Uint8Array(length);
      this.#side.take(bytes);
      return { bytes, giveBack: () => {} };
    }
    const memory = this.#map();
    const bytes = memory.view({ start: extent.start, end: extent.start + length });
    const giveBack = () => {
      memory.revoke(bytes);
      if (this.#side.isOpen) this.#side.consume(length);
    };
    return { bytes, giveBack };
  }

  /** A mapping for JavaScript alone: it goes when it can be looked at no more, whenever the ring is closed. */
  #map(): KernelMemory {
    const placement: Placement = { offset: ringLayout.data, lead: 0, length: this.capacity };
    this.#memory ??= new KernelMemory(this.#runtime, this.#side.engine, this.fd, "the ring", "shared", placement);
    return this.#memory;
  }

  /** Waits for bytes; null at the end. */
  async #next(signal: AbortSignalLike | undefined): Promise<{ start: number; end: number } | null> {
    for (;;) {
      const extent = this.#side.tryPeek();
      if (extent !== undefined) return extent;
      await this.#wait({ what: "read from the ring", flag: "wait_data", bytes: 1, signal });
    }
  }

  /** @internal As {@link read}, for a caller that has the ring to itself. */
  async readNow(most: number, signal: AbortSignalLike | undefined): Promise<Uint8Array | undefined> {
    const extent = await this.#next(signal);
    if (extent === null) return undefined;
    const bytes = new Uint8Array(Math.min(extent.end - extent.start, most));
    this.#side.take(bytes);
    return bytes;
  }

  /** @internal As {@link write}, for a caller that has the ring to itself. */
  async writeNow(bytes: Uint8Array, signal: AbortSignalLike | undefined): Promise<void> {
    for (let at = 0; at < bytes.byteLength;) {
      if (signal?.aborted) throw aborted("write to the ring", signal, at);
      const n = this.#side.tryWrite(bytes.subarray(at), at);
      const room = Math.min(bytes.byteLength - at, this.capacity / 2);
      if (n === undefined)
        await this.#wait({ what: "write to the ring", flag: "wait_room", bytes: room, before: at, signal });
      else at += n;
    }
  }

  /** False where the wait was given up for another's sake: the caller looks again. */
  async #wait(wait: RingWait): Promise<boolean> {
    const met = await this.#side.wait(wait);
    if (wait.signal?.aborted) throw aborted(wait.what, wait.signal, wait.before ?? 0);
    return met;
  }

  /** A call in its turn, unless it is aborted before that. */
  #call<T>(what: string, signal: AbortSignalLike | undefined, call: () => Promise<T>): Promise<T> {
    if (signal === undefined) return this.queue(call);
    return new Promise((resolve, reject) => {
      const giveUp = () => reject(aborted(what, signal, 0));
      signal.addEventListener("abort", giveUp, { once: true });
      const turn = this.queue(() => {
        signal.removeEventListener("abort", giveUp);
        if (signal.aborted) throw aborted(what, signal, 0);
        return call();
      });
      turn.then(resolve, reject);
      if (signal.aborted) giveUp();
    });
  }

  /** @internal Runs a call when those before it have ended, however they did. */
  queue<T>(call: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(call, call);
    this.#last = turn.catch(() => {});
    return turn;
  }

  /**
   * Releases the ring, and ends what waits for it with `ERR_SLUICE_CLOSED`. A writer that has not called {@link end}
   * leaves its reader with `ECONNRESET` after the last byte: never with what looks like an end. The second time does
   * nothing.
   */
  close(): void {
    this.#side.close();
    this.#memory?.release();
    this.#memory = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}
