/** The last mechanism: the runtime's own reads and writes, one chunk at a time. */
import { errnoNumber } from "../../core/abi/errno.ts";
import { type Job, nothing, type Outcome } from "../../core/plan/kernel.ts";
import { delay } from "../support/delay.ts";
import type { Cancellation } from "./cancellation.ts";
import type { SourceEnd } from "../ends/source.ts";
import type { TargetEnd } from "../ends/target.ts";
import { codeOf, saysClosed } from "../support/system-error.ts";

/** Larger chunks stopped helping TLS and TCP fallbacks elsewhere: CPython went from 16 to 256 KiB for +62 % and more. */
export const chunkBytes = 256 * 1024;

/** How long to wait where the runtime reads a descriptor that says EAGAIN, in milliseconds. */
const retryMs = 5;

/** Repeats a call while the descriptor has nothing to give or no room; undefined once cancelled. */
export async function patiently<T>(
  call: () => Promise<T>,
  cancellation: Cancellation,
  race = true,
): Promise<T | undefined> {
  while (cancellation.outcome() === undefined) {
    try {
      return await (race ? cancellation.wait(call()) : call());
    } catch (error) {
      if (codeOf(error) !== "EAGAIN") throw error;
      await delay(retryMs);
    }
  }
  return undefined;
}

/** One portable attempt. `bytes` counts along, for progress reports and for the outcome of a failure. */
export class PortableRun {
  #moved = 0;
  /** Whether the last write was cut short by the cancellation, so that nobody knows whether it arrived. */
  #unconfirmed = false;
  readonly #source: Pick<SourceEnd, "read">;
  readonly #target: TargetEnd;
  readonly #cancellation: Cancellation;

  constructor(source: Pick<SourceEnd, "read">, target: TargetEnd, cancellation: Cancellation) {
    this.#source = source;
    this.#target = target;
    this.#cancellation = cancellation;
  }

  /** Bytes moved by all attempts. */
  get progress(): number {
    return this.#moved;
  }

  async run(job: Job): Promise<Outcome> {
    const before = this.#moved;
    let stranded = 0;
    /** What had moved when the last chunk had been read. */
    let begun = before;
    let failed: Outcome["failed"];
    const ended = (end: Outcome["end"]): Outcome => ({ ...nothing, end, bytes: this.#moved - before, stranded });
    try {
      for (;;) {
        const done = this.#moved - before;
        const left = job.length === undefined ? chunkBytes : job.length - done;
        if (left === 0) return ended("done");
        const offset = job.offset === undefined ? undefined : job.offset + done;
        failed = "source";
        const chunk = await patiently(() => this.#read(Math.min(left, chunkBytes), offset), this.#cancellation);
        if (chunk === null) return ended("eof");
        if (chunk === undefined) break;
        stranded = job.offset === undefined ? chunk.byteLength : 0;
        failed = "target";
        begun = this.#moved;
        const at = job.targetOffset === undefined ? undefined : job.targetOffset + done;
        const written = await this.#writeAll(chunk, at);
        stranded = job.offset === undefined ? chunk.byteLength - written : 0;
        if (written < chunk.byteLength || this.#unconfirmed) break;
      }
    } catch (error) {
      // A part of the chunk may have been written before.
      stranded = Math.max(0, stranded - (this.#moved - begun));
      const cancelled = this.#cancellation.outcome(this.#moved - before);
      if (cancelled !== undefined) return { ...cancelled, stranded };
      if (saysClosed(error)) return { ...ended("cancelled"), closed: failed };
      return { ...ended("error"), errno: errnoNumber(codeOf(error) ?? ""), failed, cause: error };
    }
    return { ...ended("cancelled"), ...this.#cancellation.outcome(this.#moved - before), stranded };
  }

  /** null at the end: undefined is what a cancelled wait answers. */
  async #read(max: number, offset: number | undefined): Promise<Uint8Array | null> {
    return (await this.#source.read(max, offset)) ?? null;
  }

  /**
   * What was handed to a stream is on its way, abort or not, and counts at once when it isn't waited for. A write
   * to a descriptor can't be called back either, so that is waited for.
   */
  async #write(bytes: Uint8Array, offset: number | undefined): Promise<number | undefined> {
    if (!this.#target.buffers) return patiently(() => this.#target.write(bytes, offset), this.#cancellation, false);
    if (this.#cancellation.outcome() !== undefined) return undefined;
    const written = await this.#cancellation.wait(this.#target.write(bytes, offset));
    this.#unconfirmed = written === undefined;
    return written ?? bytes.byteLength;
  }

  async #writeAll(chunk: Uint8Array, at: number | undefined): Promise<number> {
    let written = 0;
    while (written < chunk.byteLength) {
      const rest = chunk.subarray(written);
      const offset = at === undefined ? undefined : at + written;
      const n = await this.#write(rest, offset);
      if (n === undefined) break;
      written += n;
      this.#moved += n;
    }
    return written;
  }
}
