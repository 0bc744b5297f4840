/** One transfer's place in the engine. */
import { type Job, nothing, type Outcome } from "../../core/plan/kernel.ts";
import type { Attempted, Engine } from "./engine.ts";
import { after, failed, sum } from "./outcome.ts";

/**
 * The engine's side of one transfer. Its duplicates live as long as the transfer, not as long as an
 * attempt: between two attempts the runtime may close its socket and hand the number to a stranger.
 */
export class Link {
  readonly #engine: Engine;
  #source: number | Uint8Array;
  readonly #target: number;
  readonly #onHeld: () => void;
  readonly #closesItself: boolean;
  #handle = 0;
  #running = false;
  #cancelled = false;
  /** Called when a source that is to be replaced is read no more. */
  #replaced: (() => void) | undefined;
  /** Bytes of earlier attempts and of the part that ran on the calling thread. */
  #before = 0;

  /**
   * `onHeld` is called when the engine has duplicates of its own, and the given descriptors are needed no more. Where
   * `stays`, the job is used again, or asked about, when an attempt is done; else it closes itself then.
   */
  constructor(engine: Engine, source: number | Uint8Array, target: number, stays: boolean, onHeld: () => void) {
    this.#engine = engine;
    this.#source = source;
    this.#target = target;
    this.#onHeld = onHeld;
    this.#closesItself = !stays && typeof source === "number";
  }

  /** Runs an attempt. The first call must come in the same turn of the event loop as the inspection. */
  run(job: Job): Outcome | Promise<Outcome> {
    const tried = job.inline && this.#handle === 0 ? this.#attempt(job) : undefined;
    if (tried === undefined) return this.#start(job);
    const { outcome, blocked, handle = 0 } = tried;
    this.#before += outcome.bytes;
    if (handle !== 0) this.#held(handle);
    if (!blocked) return outcome;
    const rest = handle === 0 ? this.#start(after(job, outcome.bytes)) : this.#resume(job, outcome.stranded);
    return "then" in rest ? rest.then((end) => sum(outcome, end)) : sum(outcome, rest);
  }

  /** One attempt on the calling thread. */
  #attempt(job: Job): Attempted | undefined {
    const { offset = 0, length = 0, strategy } = job;
    if (typeof this.#source === "number") {
      if (job.offset !== undefined) return this.#engine.attempt(this.#source, this.#target, job);
      return strategy === "splice" ? this.#engine.attemptStream(this.#source, this.#target, job) : undefined;
    }
    if (strategy !== "buffered") return undefined;
    const sent = this.#engine.send(this.#target, this.#source.subarray(offset, offset + length));
    const answered = { ...nothing, bytes: Math.max(0, sent), syscalls: 1 };
    if (sent >= 0) return { outcome: answered, blocked: sent < length, headSent: 0 };
    // EAGAIN needs the engine; whatever else is wrong, it will meet again and tell.
    return { outcome: answered, blocked: true, headSent: 0 };
  }

  #start(job: Job): Outcome | Promise<Outcome> {
    const opened = this.hold();
    if (opened < 0) return failed(-opened);
    return this.#follow(this.#engine.start(this.#handle, job, this.#closesItself), job);
  }

  /** Goes on where an attempt on the calling thread left off, which held so many bytes then. */
  #resume(job: Job, held: number): Outcome | Promise<Outcome> {
    const outcome = this.#engine.resume(this.#handle, job, this.#closesItself);
    return "then" in outcome ? this.#follow(outcome, job) : { ...outcome, stranded: held };
  }

  #follow(outcome: Outcome | Promise<Outcome>, job: Job): Outcome | Promise<Outcome> {
    if (!("then" in outcome)) return outcome;
    this.#running = true;
    return outcome.then((end) => {
      this.#running = false;
      this.#before += end.bytes;
      if (this.#closesItself && end.end === "done") this.#handle = 0;
      return this.#replaced === undefined ? end : this.#goOn(job, end);
    });
  }

  /** What is left of an attempt that was interrupted for another source. */
  #goOn(job: Job, end: Outcome): Outcome | Promise<Outcome> {
    const failedWith = this.#replace();
    this.#replaced?.();
    this.#replaced = undefined;
    if (this.#cancelled || end.end !== "cancelled") return end;
    if (failedWith < 0) return { ...end, end: "error", errno: -failedWith, failed: "source" };
    const rest = this.#start(after(job, end.bytes));
    return "then" in rest ? rest.then((outcome) => sum(end, outcome)) : sum(end, rest);
  }

  #replace(): number {
    return typeof this.#source === "number" ? this.#engine.replaceSource(this.#handle, this.#source) : 0;
  }

  /** Goes on from another file that has the same bytes at the same offsets; resolves when the first is read no more. */
  replaceSource(source: number): Promise<void> {
    this.#source = source;
    if (this.#handle !== 0 && !this.#running) this.#replace();
    if (!this.#running) return Promise.resolve();
    return new Promise((resolve) => {
      this.#replaced = resolve;
      this.#engine.cancel(this.#handle);
    });
  }

  /** Bytes that the target has taken and its peer has not, or a negative errno. */
  get outstanding(): number {
    return this.#handle === 0 ? 0 : this.#engine.outstanding(this.#handle);
  }

  /** Duplicates the descriptors, if that has not been done: zero, or a negative errno. */
  hold(): number {
    if (this.#handle === 0) {
      const opened =
        typeof this.#source === "number"
          ? this.#engine.open(this.#source, this.#target)
          : this.#engine.openMemory(this.#source, this.#target);
      if (opened < 0) return opened;
      this.#held(opened);
    }
    return 0;
  }

  #held(handle: number): void {
    this.#handle = handle;
    this.#onHeld();
  }

  cancel(): void {
    this.#cancelled = true;
    if (this.#running) this.#engine.cancel(this.#handle);
  }

  /** What the last attempt had read from a stream and could not deliver. */
  residue(stranded: number): Uint8Array {
    return this.#engine.residue(this.#handle, stranded);
  }

  get progress(): number {
    return this.#before + (this.#running ? this.#engine.progress(this.#handle) : 0);
  }

  close(): void {
    const handle = this.#handle;
    this.#handle = 0;
    if (handle !== 0) this.#engine.close(handle);
  }

  /** Resolves when the kernel has released memory that was sent by reference; undefined where it has not to be waited for. */
  settle(): Promise<void> | undefined {
    return this.#handle === 0 ? undefined : this.#engine.settle(this.#handle);
  }
}
