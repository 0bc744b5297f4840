/** Proxied pairs in the engine: two connections go in, one outcome comes back. */
import { pairEnds, pairFlags } from "../../core/abi/numbers.ts";
import { pairOutcomeRecord, pairProgressRecord, pairRequestRecord } from "../../core/abi/records.ts";
import { batch, type Context } from "./context.ts";
import { RecordMemory } from "./record-memory.ts";

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

export interface PairProgress {
  readonly toB: number;
  readonly toA: number;
  readonly idleMs: number;
  /** Whose peers have ended: bit 0 for a's, 1 for b's. */
  readonly hungUp: number;
}

const noProgress: PairProgress = { toB: 0, toA: 0, idleMs: 0, hungUp: 0 };

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  if (first.byteLength === 0) return second;
  const bytes = new Uint8Array(first.byteLength + second.byteLength);
  bytes.set(first);
  bytes.set(second, first.byteLength);
  return bytes;
}

export class Pairs {
  readonly #context: Context;
  readonly #running = new Map<number, (fields: PairFields) => void>();
  /** Made when first needed: most programs have no pairs. */
  #outcomes: RecordMemory | undefined;
  readonly #progress = new RecordMemory(pairProgressRecord.size);

  constructor(context: Context) {
    this.#context = context;
  }

  /** Settles the pairs that have ended. */
  reap(): void {
    if (this.#running.size === 0) return;
    const memory = (this.#outcomes ??= new RecordMemory(pairOutcomeRecord.size * batch));
    let count: number;
    do {
      count = this.#context.native.sluice_pair_reap(this.#context.handle, memory.bytes, batch);
      // Settling only resolves promises: nothing reaps again before the loop is through.
      for (let base = 0; base < count * pairOutcomeRecord.size; base += pairOutcomeRecord.size) {
        const fields: PairFields = (field) => pairOutcomeRecord.get(memory.view, field, base);
        const handle = fields("pair");
        const settle = this.#running.get(handle);
        if (!this.#running.delete(handle)) continue;
        settle?.(fields);
        this.#context.unref();
      }
    } while (count === batch);
  }

  /** Opens a pair of two connections, whose descriptors are duplicated: a handle, or a negative errno. */
  open(a: number, b: number): number {
    return this.#context.native.sluice_pair_open(this.#context.handle, a, b);
  }

  /** Starts a pair: zero, or a negative errno. `onEnd` is called once, and must look at the fields at once. */
  start(handle: number, start: PairStart, onEnd: (fields: PairFields) => void): number {
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
    const started = this.#context.native.sluice_pair_start(handle, bytes, toB, toB.byteLength, toA, toA.byteLength);
    if (started < 0) return started;
    this.#context.ref();
    this.#running.set(handle, onEnd);
    return 0;
  }

  stop(handle: number): void {
    this.#context.native.sluice_pair_stop(handle);
  }

  /** Bytes that a pair has moved, and for how many milliseconds it has moved none. */
  progress(handle: number): PairProgress {
    const { bytes, view } = this.#progress;
    if (this.#context.native.sluice_pair_progress(handle, bytes) < 0) return noProgress;
    return {
      toB: pairProgressRecord.get(view, "to_b_bytes"),
      toA: pairProgressRecord.get(view, "to_a_bytes"),
      idleMs: pairProgressRecord.get(view, "idle_ns") / 1e6,
      hungUp: pairProgressRecord.get(view, "hung_up"),
    };
  }

  /** Closes a pair; one that runs ends as one that was stopped. */
  close(handle: number, reset: boolean): void {
    const settle = this.#running.get(handle);
    const { toB, toA } = settle === undefined ? noProgress : this.progress(handle);
    this.#context.native.sluice_pair_close(handle, reset ? 1 : 0);
    if (!this.#running.delete(handle)) return;
    const fields = new Map([
      ["end", pairEnds.stopped],
      ["to_b_bytes", toB],
      ["to_a_bytes", toA],
    ]);
    settle?.((field) => fields.get(field) ?? 0);
    this.#context.unref();
  }
}
