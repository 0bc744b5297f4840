/** One side of a shared ring as the engine holds it: calls that never wait, and a wait that holds no thread. */
import { type Native } from "../../core/abi/abi.ts";
import { extentRecord, pipeEndsRecord, ringStatusRecord } from "../../core/abi/records.ts";
import { errnoName, errnoNumber } from "../../core/abi/errno.ts";
import { TransferError } from "../../core/error.ts";
import type { Outcome } from "../../core/plan/kernel.ts";
import type { AbortSignalLike } from "../../core/transfer/request.ts";
import { ringErrnoText, type ringParties } from "../../core/ring.ts";
import type { Engine } from "../engine/engine.ts";
import { RecordMemory } from "../engine/record-memory.ts";

const again = -errnoNumber("EAGAIN");

/** What a header says. Counters are in bytes since the beginning. */
export interface RingStatus {
  readonly written: number;
  readonly read: number;
  /** Whether the writer has said that this is all. */
  readonly ended: boolean;
  /** What the other side says of itself: whether it has not come yet, is there, or has closed the ring. */
  readonly other: "absent" | "here" | "closed";
}

const otherNames = ["absent", "here", "closed"] as const satisfies readonly (keyof typeof ringParties)[];

/** A place in the ring's data. */
export interface RingPlace {
  readonly start: number;
  readonly end: number;
}

/** What is waited for: data, or room for so many bytes. */
export interface RingWait {
  /** Of an error: what could not be done. */
  readonly what: string;
  readonly flag: "wait_data" | "wait_room";
  readonly bytes: number;
  /** Bytes that the same call has put into the ring before. */
  readonly before?: number;
  /** Aborting it gives the wait up. */
  readonly signal?: AbortSignalLike | undefined;
}

/** Rings whose objects nobody can reach any more are closed: to the other side that is as good as a close without an end. */
const forgotten = new FinalizationRegistry(({ native, handle }: { native: Native; handle: number }) => {
  native.sluice_ring_close(handle);
});

export class RingSide {
  readonly handle: number;
  readonly capacity: number;
  readonly native: Native;
  readonly #engine: Engine;
  readonly #place = new RecordMemory(extentRecord.size);
  /** The job that waits, made when first needed. */
  #job = 0;
  #isWaiting = false;
  #waited: Promise<unknown> = Promise.resolve();
  #isOpen = true;
  readonly #watchers = new Set<() => void>();

  constructor(engine: Engine, handle: number) {
    this.#engine = engine;
    this.native = engine.native;
    this.handle = handle;
    this.capacity = this.#status("capacity");
    forgotten.register(this, { native: this.native, handle }, this);
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  #status(field: "capacity" | "written" | "read" | "ended" | "other"): number {
    const record = new RecordMemory(ringStatusRecord.size);
    this.check("use the ring", this.native.sluice_ring_status(this.handle, record.bytes));
    return ringStatusRecord.get(record.view, field);
  }

  status(): RingStatus {
    const record = new RecordMemory(ringStatusRecord.size);
    this.check("use the ring", this.native.sluice_ring_status(this.handle, record.bytes));
    const get = (field: "written" | "read" | "ended" | "other") => ringStatusRecord.get(record.view, field);
    const other = otherNames[get("other")] ?? "closed";
    return { written: get("written"), read: get("read"), ended: get("ended") !== 0, other };
  }

  /** @throws TransferError for a negative answer, and where the ring has been closed here */
  check(what: string, answer: number, bytesTransferred = 0): number {
    if (!this.#isOpen)
      throw new TransferError(`Cannot ${what}: it has been closed`, { code: "ERR_SLUICE_CLOSED", bytesTransferred });
    if (answer >= 0) return answer;
    const code = errnoName(-answer);
    throw new TransferError(`Cannot ${what}: ${ringErrnoText(code)} (${code})`, {
      code,
      errno: -answer,
      bytesTransferred,
    });
  }

  /** Copies what there is room for into the ring; undefined: there is none. */
  tryWrite(bytes: Uint8Array, before: number): number | undefined {
    if (!this.#isOpen) this.check("write to the ring", 0, before);
    const n = this.native.sluice_ring_write(this.handle, bytes, bytes.byteLength);
    return n === again ? undefined : this.check("write to the ring", n, before);
  }

  /** Where the next bytes are; null at the end; undefined: there are none yet. */
  tryPeek(): RingPlace | null | undefined {
    if (!this.#isOpen) this.check("read from the ring", 0);
    const n = this.native.sluice_ring_peek(this.handle, this.#place.bytes);
    if (n === again) return undefined;
    if (this.check("read from the ring", n) === 0) return null;
    return { start: extentRecord.get(this.#place.view, "start"), end: extentRecord.get(this.#place.view, "end") };
  }

  /** Copies bytes that are there. */
  take(bytes: Uint8Array): number {
    return this.check("read from the ring", this.native.sluice_ring_read(this.handle, bytes, bytes.byteLength));
  }

  consume(length: number): void {
    this.check("read from the ring", this.native.sluice_ring_consume(this.handle, length));
  }

  end(): void {
    this.check("end the ring", this.native.sluice_ring_end(this.handle));
  }

  /** Waits for data, or for room: whether that is there. False for a wait that was given up. */
  wait(wait: RingWait): Promise<boolean> {
    // One that has been stopped may not have heard of it yet.
    const turn = this.#waited.then(() => this.#wait(wait));
    this.#waited = turn.catch(() => {});
    return turn;
  }

  async #wait({ what, flag, bytes, before = 0, signal }: RingWait): Promise<boolean> {
    this.check(what, 0, before);
    if (signal?.aborted) return false;
    if (this.#job === 0) this.#job = this.check(what, this.native.sluice_ring_job(this.handle), before);
    const stop = () => this.stopWaiting();
    signal?.addEventListener("abort", stop, { once: true });
    this.#isWaiting = true;
    let outcome: Outcome;
    try {
      outcome = await this.#engine.waitForRing(this.#job, flag, bytes);
    } finally {
      this.#isWaiting = false;
      signal?.removeEventListener("abort", stop);
      if (!this.#isOpen) this.#closeJob();
    }
    this.check(what, outcome.end === "error" ? -outcome.errno : 0, before);
    return outcome.end === "done";
  }

  get engine(): Engine {
    return this.#engine;
  }

  stopWaiting(): void {
    if (this.#isWaiting) this.#engine.cancel(this.#job);
  }

  /** Calls back when the ring is closed on this side; the answer stops that. */
  watch(closed: () => void): () => void {
    this.#watchers.add(closed);
    return () => this.#watchers.delete(closed);
  }

  #closeJob(): void {
    if (this.#job !== 0) this.#engine.close(this.#job);
    this.#job = 0;
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    forgotten.unregister(this);
    this.native.sluice_ring_close(this.handle);
    // Else the wait closes its job when it hears of the end.
    if (this.#isWaiting) this.stopWaiting();
    else this.#closeJob();
    for (const closed of this.#watchers) closed();
    this.#watchers.clear();
  }
}

/** Makes a pipe: its two descriptors and its size, or a negative errno. */
export function openPipe(native: Native, bytes: number): { reader: number; writer: number; bytes: number } | number {
  const { view, bytes: memory } = new RecordMemory(pipeEndsRecord.size);
  const answer = native.sluice_pipe(bytes, memory);
  if (answer < 0) return answer;
  const get = (field: "reader" | "writer" | "bytes") => pipeEndsRecord.get(view, field);
  return { reader: get("reader"), writer: get("writer"), bytes: get("bytes") };
}
