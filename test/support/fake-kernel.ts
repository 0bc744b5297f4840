/**
 * A kernel that moves bytes between arrays and fails as told: at any byte, with any errno. It checks what it is
 * asked for, so that a byte written twice or an attempt too many is an error where it happens.
 */
import * as assert from "uvu/assert";
import { errnoNumber } from "#core/abi/errno.js";
import type { Job, Outcome } from "#core/plan/kernel.js";

/** What befalls one attempt, after it has moved at most `after` bytes. */
export type Fault =
  | { readonly kind: "none" }
  | { readonly kind: "error"; readonly after: number; readonly code: string; readonly stranded: number }
  /** An end of file that may be a lie: copy_file_range on procfs says so at byte 0. */
  | { readonly kind: "eof"; readonly after: number }
  | { readonly kind: "cancelled"; readonly after: number }
  /** The source is cut to this length before the attempt. */
  | { readonly kind: "truncate"; readonly to: number };

export class FakeKernel {
  readonly jobs: Job[] = [];
  readonly outcomes: Outcome[] = [];
  /** What the target holds, by offset. */
  readonly target = new Map<number, number>();
  #source: Uint8Array;
  #sourcePosition = 0;
  #targetPosition = 0;
  #attempting = false;
  readonly #faults: readonly Fault[];

  constructor(source: Uint8Array, faults: readonly Fault[]) {
    this.#source = source;
    this.#faults = faults;
  }

  /** The bytes that the source still had when it was last looked at. */
  get sourceLength(): number {
    return this.#source.length;
  }

  /** What the target holds from this offset on, which has to be one piece. */
  written(from: number): Uint8Array {
    return Uint8Array.from({ length: this.target.size }, (_, index) => {
      const byte = this.target.get(from + index);
      if (byte === undefined) throw new Error(`Nothing was written at ${from + index}`);
      return byte;
    });
  }

  /** One attempt, from opening its descriptors to closing them. Two never overlap. */
  readonly run = (job: Job): Outcome => this.#close(this.#attempt(job));

  /** The same, with the outcome at a later time. */
  readonly runLater = async (job: Job): Promise<Outcome> => {
    const outcome = this.#attempt(job);
    await Promise.resolve();
    return this.#close(outcome);
  };

  #attempt(job: Job): Outcome {
    assert.not.ok(this.#attempting, "an attempt was made while another was under way");
    this.#attempting = true;
    const fault = this.#faults[this.jobs.length] ?? { kind: "none" };
    this.jobs.push(job);
    if (fault.kind === "truncate") this.#source = this.#source.subarray(0, fault.to);
    const limit = "after" in fault ? fault.after : Infinity;
    const bytes = this.#move(job, limit);
    const counted = { bytes, stranded: 0, errno: 0, syscalls: 1, waits: 2, cpuNs: 3 };
    if (fault.kind === "error") {
      const stranded = job.offset === undefined ? this.#lose(fault.stranded) : 0;
      return { ...counted, stranded, end: "error", errno: errnoNumber(fault.code) };
    }
    if (fault.kind === "cancelled" || fault.kind === "eof") return { ...counted, end: fault.kind };
    return { ...counted, end: bytes === job.length ? "done" : "eof" };
  }

  #close(outcome: Outcome): Outcome {
    assert.ok(this.#attempting, "an attempt was closed twice");
    this.#attempting = false;
    this.outcomes.push(outcome);
    return outcome;
  }

  #move(job: Job, limit: number): number {
    const from = job.offset ?? this.#sourcePosition;
    const left = Math.max(0, this.#source.length - from);
    const bytes = Math.min(left, job.length ?? left, limit);
    const to = job.targetOffset ?? this.#targetPosition;
    for (const [index, byte] of this.#source.subarray(from, from + bytes).entries()) {
      assert.not.ok(this.target.has(to + index), `byte ${to + index} was written twice`);
      this.target.set(to + index, byte);
    }
    if (job.offset === undefined) this.#sourcePosition += bytes;
    if (job.targetOffset === undefined) this.#targetPosition += bytes;
    return bytes;
  }

  /** Takes bytes from a source without positions that never arrive. */
  #lose(wanted: number): number {
    const lost = Math.min(wanted, this.#source.length - this.#sourcePosition);
    this.#sourcePosition += lost;
    return lost;
  }
}
