/** Leases in the engine, and who is told that one is broken. */
import { leaseBreakRecord } from "../../core/abi/records.ts";
import { batch, type Context } from "./context.ts";
import { RecordMemory } from "./record-memory.ts";

/** Told what somebody wants to do (`leaseTypes`), and after how many nanoseconds the lease is gone. */
type OnBreak = (wanted: number, remainingNs: number) => void;

export class Leases {
  readonly #context: Context;
  readonly #watched = new Map<number, OnBreak>();
  readonly #breaks = new RecordMemory(leaseBreakRecord.size * batch);

  constructor(context: Context) {
    this.#context = context;
  }

  /** Tells of the leases that were broken. */
  reap(): void {
    if (this.#watched.size === 0) return;
    let count: number;
    do {
      count = this.#context.native.sluice_lease_reap(this.#context.handle, this.#breaks.bytes, batch);
      const told: [number, number, number][] = [];
      for (let base = 0; base < count * leaseBreakRecord.size; base += leaseBreakRecord.size) {
        const get = (field: Parameters<typeof leaseBreakRecord.get>[1]) =>
          leaseBreakRecord.get(this.#breaks.view, field, base);
        told.push([get("lease"), get("wanted"), get("remaining_ns")]);
      }
      for (const [lease, wanted, remainingNs] of told) this.#watched.get(lease)?.(wanted, remainingNs);
    } while (count === batch);
  }

  /** Takes a lease on a descriptor's file: a handle, or a negative errno. */
  open(fd: number, type: number, holdMs: number): number {
    return this.#context.native.sluice_lease_open(this.#context.handle, fd, type, holdMs);
  }

  watch(handle: number, onBreak: OnBreak): void {
    this.#watched.set(handle, onBreak);
  }

  /** Answers how it was: one of `leaseStates`. */
  release(handle: number): number {
    this.#watched.delete(handle);
    return this.#context.native.sluice_lease_release(handle);
  }
}
