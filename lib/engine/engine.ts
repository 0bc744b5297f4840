/** The native engine as seen from one isolate: jobs go in, outcomes come back on the event loop. */
import { ends, limits, type Native, opcodes, pairEnds, pairFlags, requestFlags } from "../../core/abi/abi.ts";
import {
  extentRecord,
  leaseBreakRecord,
  memoryRecord,
  outcomeRecord,
  pairOutcomeRecord,
  pairProgressRecord,
  pairRequestRecord,
  outletRecord,
  requestRecord,
} from "../../core/abi/records.ts";
import { errnoName } from "../../core/abi/errno.ts";
import { type Job, nothing, type Outcome } from "../../core/plan/kernel.ts";
import type { Runtime, Waker } from "../runtime.ts";
import { decode, encode, failed } from "./outcome.ts";
import { RecordMemory } from "./record-memory.ts";
import { callFailed } from "../support/system-error.ts";

/** Outcomes taken in one call. */
const batch = 64;

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
 * until somebody asks for their buffer.
 */
function fixed(bytes: Uint8Array): Uint8Array {
  return bytes.buffer.byteLength === 0 || bytes.byteLength === 0 ? oneByte : bytes;
}

/** Told what somebody wants to do (`leaseTypes`), and after how many nanoseconds the lease is gone. */
type OnBreak = (wanted: number, remainingNs: number) => void;

/** What the engine says of a pair that has ended: the field of its record by name. */
export type PairFields = (field: Parameters<typeof pairOutcomeRecord.get>[1]) => number;

/** What a pair is started with. */
export interface PairStart {
  readonly splices: boolean;
  /** Most bytes of each direction; Infinity: any number. */
  readonly mostToB: number;
  readonly mostToA: number;
  /** What goes to b before everything else, and counts nowhere. */
  readonly head: Uint8Array;
  /** What has been read of the connections already. */
  readonly fromA: Uint8Array;
  readonly fromB: Uint8Array;
}

/** What became of an attempt on the calling thread. */
export interface Attempted {
  readonly outcome: Outcome;
  /** The rest needs the engine. */
  readonly blocked: boolean;
  /** Bytes of the head that have left. */
  readonly headSent: number;
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  if (first.byteLength === 0) return second;
  const bytes = new Uint8Array(first.byteLength + second.byteLength);
  bytes.set(first);
  bytes.set(second, first.byteLength);
  return bytes;
}

/** Opens a context for this isolate. Throws TransferError `EMFILE` where no descriptor is left for it. */
export function openContext(native: Native): number {
  const context = native.sluice_context_open();
  if (context < 0) throw callFailed("start the engine", "socketpair", errnoName(-context));
  return context;
}

export interface PairProgress {
  readonly toB: number;
  readonly toA: number;
  readonly idleMs: number;
  /** Whose peers have ended: bit 0 for a's, 1 for b's. */
  readonly hungUp: number;
}

const noProgress: PairProgress = { toB: 0, toA: 0, idleMs: 0, hungUp: 0 };

export class Engine {
  readonly native: Native;
  readonly #waker: Waker;
  readonly #pending = new Map<number, (outcome: Outcome) => void>();
  readonly #request = new RecordMemory(requestRecord.size);
  readonly #outcomes = new RecordMemory(outcomeRecord.size * batch);
  readonly #leases = new Map<number, OnBreak>();
  readonly #breaks = new RecordMemory(leaseBreakRecord.size * batch);
  readonly #pairs = new Map<number, (fields: PairFields) => void>();
  /** Made when first needed: most programs have no pairs. */
  #pairOutcomes: RecordMemory | undefined;
  readonly #pairProgress = new RecordMemory(pairProgressRecord.size);
  /** What keeps the process alive: attempts under way, and leases that were told to. */
  #references = 0;

  constructor(native: Native, runtime: Runtime) {
    this.native = native;
    this.#waker = runtime.openWaker(native, () => this.#reap());
  }

  /** With which goes what this isolate holds. */
  get context(): number {
    return this.#waker.context;
  }

  ref(): void {
    if (this.#references++ === 0) this.#waker.ref();
  }

  unref(): void {
    if (--this.#references === 0) this.#waker.unref();
  }

  #reap(): void {
    this.#reapOutcomes();
    if (this.#leases.size > 0) this.#reapBreaks();
    if (this.#pairs.size > 0) this.#reapPairs();
  }

  #reapOutcomes(): void {
    let count: number;
    do {
      count = this.native.sluice_reap(this.#waker.context, this.#outcomes.bytes, batch);
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

  #reapBreaks(): void {
    let count: number;
    do {
      count = this.native.sluice_lease_reap(this.#waker.context, this.#breaks.bytes, batch);
      const told: [number, number, number][] = [];
      for (let base = 0; base < count * leaseBreakRecord.size; base += leaseBreakRecord.size) {
        const get = (field: Parameters<typeof leaseBreakRecord.get>[1]) =>
          leaseBreakRecord.get(this.#breaks.view, field, base);
        told.push([get("lease"), get("wanted"), get("remaining_ns")]);
      }
      for (const [lease, wanted, remainingNs] of told) this.#leases.get(lease)?.(wanted, remainingNs);
    } while (count === batch);
  }

  #reapPairs(): void {
    const memory = (this.#pairOutcomes ??= new RecordMemory(pairOutcomeRecord.size * batch));
    let count: number;
    do {
      count = this.native.sluice_pair_reap(this.#waker.context, memory.bytes, batch);
      // Settling only resolves promises: nothing reaps again before the loop is through.
      for (let base = 0; base < count * pairOutcomeRecord.size; base += pairOutcomeRecord.size) {
        const fields: PairFields = (field) => pairOutcomeRecord.get(memory.view, field, base);
        const handle = fields("pair");
        const settle = this.#pairs.get(handle);
        if (!this.#pairs.delete(handle)) continue;
        settle?.(fields);
        this.unref();
      }
    } while (count === batch);
  }

  /** Opens a pair of two connections, whose descriptors are duplicated: a handle, or a negative errno. */
  openPair(a: number, b: number): number {
    return this.native.sluice_pair_open(this.#waker.context, a, b);
  }

  /** Starts a pair: zero, or a negative errno. `onEnd` is called once, and must look at the fields at once. */
  startPair(handle: number, start: PairStart, onEnd: (fields: PairFields) => void): number {
    const { view, bytes } = new RecordMemory(pairRequestRecord.size);
    const { head, fromA, fromB, mostToB, mostToA } = start;
    const most = (count: number) => (count === Infinity ? -1 : count);
    const cutToB = fromA.byteLength > mostToB ? pairFlags.cut_to_b : 0;
    const cutToA = fromB.byteLength > mostToA ? pairFlags.cut_to_a : 0;
    pairRequestRecord.set(view, "flags", (start.splices ? pairFlags.splice : 0) | cutToB | cutToA);
    pairRequestRecord.set(view, "head", head.byteLength);
    pairRequestRecord.set(view, "most_to_b", most(mostToB));
    pairRequestRecord.set(view, "most_to_a", most(mostToA));
    const toB = joined(head, fromA.subarray(0, mostToB));
    const toA = fromB.subarray(0, mostToA);
    const started = this.native.sluice_pair_start(handle, bytes, toB, toB.byteLength, toA, toA.byteLength);
    if (started < 0) return started;
    this.ref();
    this.#pairs.set(handle, onEnd);
    return 0;
  }

  stopPair(handle: number): void {
    this.native.sluice_pair_stop(handle);
  }

  /** Bytes that a pair has moved, and for how many milliseconds it has moved none. */
  pairProgress(handle: number): PairProgress {
    const { bytes, view } = this.#pairProgress;
    if (this.native.sluice_pair_progress(handle, bytes) < 0) return noProgress;
    return {
      toB: pairProgressRecord.get(view, "to_b_bytes"),
      toA: pairProgressRecord.get(view, "to_a_bytes"),
      idleMs: pairProgressRecord.get(view, "idle_ns") / 1e6,
      hungUp: pairProgressRecord.get(view, "hung_up"),
    };
  }

  /** Closes a pair; one that runs ends as one that was stopped. */
  closePair(handle: number, reset: boolean): void {
    const settle = this.#pairs.get(handle);
    const { toB, toA } = settle === undefined ? noProgress : this.pairProgress(handle);
    this.native.sluice_pair_close(handle, reset ? 1 : 0);
    if (!this.#pairs.delete(handle)) return;
    const fields = new Map([
      ["end", pairEnds.stopped],
      ["to_b_bytes", toB],
      ["to_a_bytes", toA],
    ]);
    settle?.((field) => fields.get(field) ?? 0);
    this.unref();
  }

  /** Takes a lease on a descriptor's file: a handle, or a negative errno. */
  openLease(fd: number, type: number, holdMs: number): number {
    return this.native.sluice_lease_open(this.#waker.context, fd, type, holdMs);
  }

  watchLease(handle: number, onBreak: OnBreak): void {
    this.#leases.set(handle, onBreak);
  }

  /** Answers how it was: one of `leaseStates`. */
  releaseLease(handle: number): number {
    this.#leases.delete(handle);
    return this.native.sluice_lease_release(handle);
  }

  /** Opens a job between two descriptors, which are duplicated: a handle, or a negative errno. */
  open(source: number, target: number): number {
    return this.native.sluice_job_open(this.#waker.context, source, target);
  }

  /**
   * Opens a job from memory. Little of it is copied. More is used where it is: the caller keeps it, unchanged, until
   * the job is closed, and closes it only when no outcome says any more that some of it is held.
   */
  openMemory(bytes: Uint8Array, target: number): number {
    const { bytes: record, view } = new RecordMemory(memoryRecord.size);
    memoryRecord.set(view, "length", bytes.byteLength);
    memoryRecord.set(view, "copy", bytes.byteLength <= limits.copied_memory_bytes ? 1 : 0);
    return this.native.sluice_job_open_memory(this.#waker.context, fixed(bytes), record, target);
  }

  /** Opens a job from one descriptor into several new pipes, whose read ends the caller closes: its handle, or an errno. */
  openTee(source: number, count: number, capacity: number): { handle: number; outlets: readonly Outlet[] } {
    const { bytes, view } = new RecordMemory(outletRecord.size * count);
    const handle = this.native.sluice_job_open_tee(this.#waker.context, source, bytes, count, capacity);
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

  /** Resolves when the kernel has let go of the memory that a job has sent. Doesn't keep the process alive. */
  settle(handle: number): Promise<void> | undefined {
    requestRecord.set(this.#request.view, "strategy", opcodes.sendZeroCopy);
    requestRecord.set(this.#request.view, "flags", requestFlags.settle);
    for (const field of ["offset", "length", "target_offset"] as const)
      requestRecord.set(this.#request.view, field, -1);
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
    requestRecord.set(this.#request.view, "strategy", opcodes.buffered);
    requestRecord.set(this.#request.view, "flags", requestFlags.attributes);
    for (const field of ["offset", "length", "target_offset"] as const)
      requestRecord.set(this.#request.view, field, -1);
    const outcome = await this.#start(handle);
    this.close(handle);
    return outcome;
  }

  /** Makes a ring, or opens one by a descriptor: a handle, or a negative errno. */
  createRing(bytes: number, attachMs: number): number {
    return this.native.sluice_ring_create(this.#waker.context, bytes, attachMs);
  }

  openRing(fd: number): number {
    return this.native.sluice_ring_open(this.#waker.context, fd);
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

  /** Closes a job. Whoever waits for an attempt of its hears that it was cancelled: a closed job has no outcome. */
  close(handle: number): void {
    const settle = this.#pending.get(handle);
    const bytes = settle === undefined ? 0 : this.progress(handle);
    this.native.sluice_job_close(handle);
    if (!this.#pending.delete(handle)) return;
    settle?.({ ...nothing, end: "cancelled", bytes });
    this.unref();
  }
}
