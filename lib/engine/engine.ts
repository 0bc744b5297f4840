/** The native engine as seen from one isolate: jobs go in, outcomes come back on the event loop. */
import type { Native } from "../../core/abi/abi.ts";
import { errnoName } from "../../core/abi/errno.ts";
import { limits } from "../../core/abi/limits.ts";
import { ends, opcodes, requestFlags } from "../../core/abi/numbers.ts";
import { extentRecord, memoryRecord, outcomeRecord, outletRecord, requestRecord } from "../../core/abi/records.ts";
import { type Job, nothing, type Outcome } from "../../core/plan/kernel.ts";
import type { Runtime } from "../runtime.ts";
import { batch, Context } from "./context.ts";
import { Leases } from "./leases.ts";
import { decode, encode, failed } from "./outcome.ts";
import { Pairs } from "./pairs.ts";
import { RecordMemory } from "./record-memory.ts";

const noBytes = new Uint8Array(0);
/** Not every FFI has an address for nothing. */
const oneByte = new Uint8Array(1);

/** A read end of a pipe that the engine fills, and how much the pipe holds. */
export interface Outlet {
  readonly fd: number;
  readonly capacity: number;
}

/**
 * The same bytes at an address that stays: small arrays lie where the collector may move them, or give their place up,
 * until their buffer is asked for.
 */
function fixed(bytes: Uint8Array): Uint8Array {
  return bytes.buffer.byteLength === 0 || bytes.byteLength === 0 ? oneByte : bytes;
}

/** What became of an attempt on the calling thread. */
export interface Attempted {
  readonly outcome: Outcome;
  /** The rest needs the engine. */
  readonly blocked: boolean;
  /** Bytes of the head that have left. */
  readonly headSent: number;
  /** A job that goes on from there, or holds what could not be delivered; 0 where there is none. */
  readonly handle?: number;
}

export class Engine {
  readonly native: Native;
  readonly pairs: Pairs;
  readonly leases: Leases;
  readonly #context: Context;
  readonly #pending = new Map<number, (outcome: Outcome) => void>();
  readonly #request = new RecordMemory(requestRecord.size);
  readonly #outcomes = new RecordMemory(outcomeRecord.size * batch);

  constructor(native: Native, runtime: Runtime) {
    this.native = native;
    this.#context = new Context(native, runtime, () => this.#reap());
    this.pairs = new Pairs(this.#context);
    this.leases = new Leases(this.#context);
  }

  /** The context's handle. */
  get context(): number {
    return this.#context.handle;
  }

  ref(): void {
    this.#context.ref();
  }

  unref(): void {
    this.#context.unref();
  }

  #reap(): void {
    this.#reapOutcomes();
    this.leases.reap();
    this.pairs.reap();
  }

  #reapOutcomes(): void {
    let count: number;
    do {
      count = this.native.sluice_reap(this.#context.handle, this.#outcomes.bytes, batch);
      // Decoded before any is settled: settling may run code that reaps again.
      const settled: [number, Outcome][] = [];
      for (let base = 0; base < count * outcomeRecord.size; base += outcomeRecord.size)
        settled.push([outcomeRecord.get(this.#outcomes.view, "job", base), decode(this.#outcomes, base)]);
      for (const [job, outcome] of settled) {
        const settle = this.#pending.get(job);
        if (!this.#pending.delete(job)) continue;
        settle?.(outcome);
        this.unref();
      }
    } while (count === batch);
  }

  /** Opens a job between two descriptors, which are duplicated: a handle, or a negative errno. */
  open(source: number, target: number): number {
    return this.native.sluice_job_open(this.#context.handle, source, target);
  }

  /**
   * Opens a job from memory. Little of it is copied. More is used where it is: the caller keeps it, unchanged, until
   * the job is closed, and closes it only when no outcome says any more that some of it is held.
   */
  openMemory(bytes: Uint8Array, target: number): number {
    const { bytes: record, view } = new RecordMemory(memoryRecord.size);
    memoryRecord.set(view, "length", bytes.byteLength);
    memoryRecord.set(view, "copy", bytes.byteLength <= limits.copied_memory_bytes ? 1 : 0);
    return this.native.sluice_job_open_memory(this.#context.handle, fixed(bytes), record, target);
  }

  /** Opens a job from one descriptor into several new pipes, whose read ends the caller closes: its handle, or an errno. */
  openTee(source: number, count: number, capacity: number): { handle: number; outlets: readonly Outlet[] } {
    const { bytes, view } = new RecordMemory(outletRecord.size * count);
    const handle = this.native.sluice_job_open_tee(this.#context.handle, source, bytes, count, capacity);
    const outlets = Array.from({ length: handle < 0 ? 0 : count }, (_, index) => ({
      fd: outletRecord.get(view, "fd", index * outletRecord.size),
      capacity: outletRecord.get(view, "capacity", index * outletRecord.size),
    }));
    return { handle, outlets };
  }

  /** What all pipes get before the bytes of the source: zero, or a negative errno. */
  feedTee(handle: number, bytes: Uint8Array): number {
    return this.native.sluice_tee_feed(handle, bytes, bytes.byteLength);
  }

  /** The pipe that is full and holds up a tee, by its index; undefined where there is none. */
  blockedOutlet(handle: number): number | undefined {
    const index = this.native.sluice_tee_blocked(handle);
    return index < 0 ? undefined : index;
  }

  /** Makes the request one that moves nothing. */
  #moveNothing(strategy: keyof typeof opcodes, flag: keyof typeof requestFlags): void {
    const { view } = this.#request;
    requestRecord.set(view, "strategy", opcodes[strategy]);
    requestRecord.set(view, "flags", requestFlags[flag]);
    for (const field of ["offset", "length", "target_offset"] as const) requestRecord.set(view, field, -1);
  }

  /** Resolves when the kernel has released the memory that a job has sent. Doesn't keep the process alive. */
  settle(handle: number): Promise<void> | undefined {
    this.#moveNothing("sendZeroCopy", "settle");
    if (this.native.sluice_job_start(handle, this.#request.bytes) < 0) return undefined;
    return new Promise((resolve) => {
      this.#pending.set(handle, () => {
        this.ref();
        resolve();
      });
    });
  }

  /** One write to a socket that doesn't wait: bytes, or a negative errno. */
  send(socket: number, bytes: Uint8Array): number {
    return this.native.sluice_send(socket, bytes, bytes.byteLength, 0);
  }

  /** Starts an attempt. A job whose `last` attempt is done is closed when its outcome comes. */
  start(handle: number, job: Job, last = false): Promise<Outcome> | Outcome {
    encode(this.#request, job, last ? requestFlags.last : 0);
    return this.#start(handle);
  }

  #start(handle: number): Promise<Outcome> | Outcome {
    const started = this.native.sluice_job_start(handle, this.#request.bytes);
    // EAGAIN is about threads alone, and there may be room for one again at any time.
    if (started < 0) return { ...failed(-started), unstaffed: errnoName(-started) === "EAGAIN" };
    this.ref();
    return new Promise((resolve) => this.#pending.set(handle, resolve));
  }

  /** Gives a file the extended attributes of another. */
  async giveAttributes(source: number, target: number): Promise<Outcome> {
    const handle = this.open(source, target);
    if (handle < 0) return failed(-handle);
    this.#moveNothing("buffered", "attributes");
    const outcome = await this.#start(handle);
    this.close(handle);
    return outcome;
  }

  /** Makes a ring, or opens one by a descriptor: a handle, or a negative errno. */
  createRing(bytes: number, attachMs: number): number {
    return this.native.sluice_ring_create(this.#context.handle, bytes, attachMs);
  }

  openRing(fd: number): number {
    return this.native.sluice_ring_open(this.#context.handle, fd);
  }

  /** Waits by a job of `sluice_ring_job` until there is something to read, or room for so many bytes. */
  waitForRing(handle: number, flag: "wait_data" | "wait_room", bytes: number): Promise<Outcome> | Outcome {
    requestRecord.set(this.#request.view, "flags", requestFlags[flag]);
    requestRecord.set(this.#request.view, "strategy", opcodes.sharedRing);
    requestRecord.set(this.#request.view, "length", bytes);
    return this.#start(handle);
  }

  /** One attempt on the calling thread; undefined where the engine must do the whole of it. */
  attempt(source: number, target: number, job: Job, head: Uint8Array = noBytes): Attempted | undefined {
    encode(this.#request, job);
    const { bytes, view } = this.#outcomes;
    const answer = this.native.sluice_attempt(source, target, this.#request.bytes, bytes, head, head.byteLength);
    if (answer < 0) return undefined;
    const blocked = outcomeRecord.get(view, "end") === ends.blocked;
    return { outcome: decode(this.#outcomes, 0), blocked, headSent: outcomeRecord.get(view, "head") };
  }

  /** The same from a connection, whose bytes are not at hand again: what it has taken a job keeps, and goes on from. */
  attemptStream(source: number, target: number, job: Job): Attempted | undefined {
    encode(this.#request, job);
    const { bytes, view } = this.#outcomes;
    const { native, context } = this;
    const handle = native.sluice_job_attempt(context, source, target, this.#request.bytes, bytes);
    if (handle < 0) return undefined;
    const blocked = outcomeRecord.get(view, "end") === ends.blocked;
    return { outcome: decode(this.#outcomes, 0), blocked, headSent: 0, handle };
  }

  /** Lets a job go on that an attempt on the calling thread has left. */
  resume(handle: number, job: Job, last: boolean): Promise<Outcome> | Outcome {
    encode(this.#request, job, requestFlags.resume | (last ? requestFlags.last : 0));
    return this.#start(handle);
  }

  /** Reads a file from an offset on, if that waits for nothing: bytes, or a negative errno. */
  readNow(source: number, offset: number, bytes: Uint8Array): number {
    const { bytes: request, view } = this.#request;
    requestRecord.set(view, "offset", offset);
    requestRecord.set(view, "length", bytes.byteLength);
    return this.native.sluice_read_now(source, request, bytes);
  }

  /** One attempt between two regular files, to its end on the calling thread. */
  run(source: number, target: number, job: Job): Outcome {
    encode(this.#request, job);
    const answer = this.native.sluice_run(source, target, this.#request.bytes, this.#outcomes.bytes);
    return answer < 0 ? failed(-answer) : decode(this.#outcomes, 0);
  }

  /** Gives an idle job another source: zero, or a negative errno. */
  replaceSource(handle: number, source: number): number {
    return this.native.sluice_job_replace_source(handle, source);
  }

  /** Bytes that the target has taken and its peer has not, or a negative errno. */
  outstanding(handle: number): number {
    return this.native.sluice_job_outstanding(handle);
  }

  cancel(handle: number): void {
    this.native.sluice_job_cancel(handle);
  }

  /** Bytes that the running attempt has moved. */
  progress(handle: number): number {
    const record = new RecordMemory(8);
    if (this.native.sluice_job_progress(handle, record.bytes) < 0) return 0;
    return extentRecord.get(record.view, "start");
  }

  /** Bytes that an attempt had read from a stream and could not deliver. */
  residue(handle: number, stranded: number): Uint8Array {
    const bytes = new Uint8Array(stranded);
    let taken = 0;
    for (let n = 1; n > 0 && taken < stranded; taken += Math.max(0, n))
      n = this.native.sluice_job_residue(handle, bytes.subarray(taken), stranded - taken);
    return bytes.subarray(0, taken);
  }

  /** Closes a job. An attempt that is waited for ends as cancelled: a closed job has no outcome. */
  close(handle: number): void {
    const settle = this.#pending.get(handle);
    const bytes = settle === undefined ? 0 : this.progress(handle);
    this.native.sluice_job_close(handle);
    if (!this.#pending.delete(handle)) return;
    settle?.({ ...nothing, end: "cancelled", bytes });
    this.unref();
  }
}
