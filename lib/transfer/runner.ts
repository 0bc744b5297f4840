/** Runs the attempts of one transfer between its two ends, by the engine or by the runtime's own means. */
import { errnoName } from "../../core/abi/errno.ts";
import type { Job, Outcome } from "../../core/plan/kernel.ts";
import type { Plan } from "../../core/plan/select.ts";
import type { Engine } from "../engine/engine.ts";
import { Link } from "../engine/link.ts";
import type { Machine } from "../engine/machine.ts";
import type { SourceEnd } from "../ends/source.ts";
import type { TargetEnd } from "../ends/target.ts";
import { callFailed } from "../support/system-error.ts";
import type { Cancellation } from "./cancellation.ts";
import type { GuardedRun, Replacement } from "./guard.ts";
import { runFramed } from "./framed-run.ts";
import { MemoryHold } from "./memory-hold.ts";
import { PortableRun } from "./portable.ts";

export class Runner implements GuardedRun {
  readonly #source: SourceEnd;
  readonly #target: TargetEnd;
  readonly #cancellation: Cancellation;
  readonly #portable: PortableRun;
  #link: Link | undefined;
  #engine: Engine | undefined;
  #hold: MemoryHold | undefined;
  /** What is read instead of the source, and the last read by the runtime's own means. */
  #replacement: Replacement | undefined;
  #reading: Promise<unknown> | undefined;

  constructor(source: SourceEnd, target: TargetEnd, cancellation: Cancellation) {
    this.#source = source;
    this.#target = target;
    this.#cancellation = cancellation;
    this.#portable = new PortableRun({ read: (max, offset) => this.#read(max, offset) }, target, cancellation);
    cancellation.onCancel(() => this.#link?.cancel());
  }

  #read(max: number, offset: number | undefined): Promise<Uint8Array | undefined> {
    // What was replaced is a file, which has positions.
    const reading = this.#replacement?.read(max, offset ?? 0) ?? this.#source.read(max, offset);
    this.#reading = reading;
    return reading;
  }

  async replaceSource(replacement: Replacement): Promise<void> {
    this.#replacement = replacement;
    await Promise.allSettled([this.#reading, this.#link?.replaceSource(replacement.fd)]);
  }

  get outstanding(): number {
    return this.#link?.outstanding ?? 0;
  }

  /**
   * Links the ends to the engine. Duplicates of them are held from now on where the first attempt is not at once, and until
   * `close()` where the peer's acknowledgement is awaited.
   */
  prepare(machine: Machine, plan: Plan, { emptying, guarded }: { emptying: boolean; guarded: boolean }): void {
    const names = plan.candidates.map(({ strategy }) => strategy);
    const startsPortable = names[0] === "portable";
    // `buffered` serves every pair, so what stands behind it is never reached.
    if (names.includes("portable") && !names.includes("buffered")) this.#source.keepReadable?.();
    const { engine } = machine;
    const from = this.#source.fd ?? (plan.source.fd ? this.#source.bytes : undefined);
    const { fd: to } = this.#target;
    if (engine === undefined || from === undefined || to === undefined) return;
    this.#engine = engine;
    if (!startsPortable) this.#source.stop?.();
    const isFramed = this.#target.frames !== undefined;
    this.#link = new Link(engine, from, to, guarded || isFramed, () => {
      this.#source.release?.();
      this.#target.release?.();
    });
    if (!startsPortable) this.#source.begin?.(this.#link);
    if (typeof from !== "number") this.#hold = new MemoryHold(this.#link, from);
    const isAtOnce = !startsPortable && plan.source.buffered === 0 && !isFramed;
    if (!emptying && !guarded && isAtOnce) return;
    const held = this.#link.hold();
    if (held < 0) throw callFailed(`send ${plan.source.name}`, "fcntl", errnoName(-held));
  }

  readonly #attempt = (job: Job): Outcome | Promise<Outcome> => {
    if (this.#link === undefined) throw new TypeError(`${job.strategy} was chosen for ends without descriptors`);
    const outcome = this.#link.run(job);
    if (this.#source.passed === undefined) return outcome;
    return "then" in outcome ? outcome.then(this.#passed) : this.#passed(outcome);
  };

  readonly #passed = (outcome: Outcome): Outcome => {
    this.#source.passed?.(outcome.bytes + outcome.stranded);
    return outcome;
  };

  /** Whether the next byte of a file is there; false at its end. Only a read of the runtime's own may wait for a disk. */
  readonly #isReadable = (offset: number): boolean | Promise<boolean> => {
    const { fd } = this.#source;
    if (fd === undefined || this.#engine?.readNow(fd, offset, new Uint8Array(1)) === 1) return true;
    this.#source.keepReadable?.();
    return this.#source.read(1, offset).then((bytes) => bytes !== undefined);
  };

  run(job: Job): Outcome | Promise<Outcome> {
    const cancelled = this.#cancellation.outcome();
    if (cancelled !== undefined) return cancelled;
    if (job.strategy === "portable") return this.#portable.run(job);
    const { frames } = this.#target;
    const outcome =
      frames === undefined
        ? this.#attempt(job)
        : runFramed(job, frames, this.#cancellation, this.#attempt, this.#isReadable);
    if (!("then" in outcome)) {
      // The portable path is next, and the caller's descriptor is still there.
      if (outcome.unstaffed === true) this.#source.keepReadable?.();
      const ended = outcome.end === "eof" ? this.#source.hearEnd?.() : undefined;
      return ended === undefined ? outcome : this.#heard(ended, outcome);
    }
    return outcome.then((end) => {
      if (end.end === "eof" && this.#source.hearEnd !== undefined) return this.#heard(this.#source.hearEnd(), end);
      if (end.unstaffed === true) this.#source.keepReadable?.();
      const told = end.end === "cancelled" ? this.#explain(end) : end;
      return this.#hold?.confirm(job, told, this.#cancellation) ?? told;
    });
  }

  /** The end of a stream, unless the runtime knows better. That it closes a socket which has ended is no failure. */
  async #heard(told: Promise<void>, end: Outcome): Promise<Outcome> {
    await told;
    return this.#cancellation.outcome()?.cause === undefined ? end : this.#explain(end);
  }

  /** The engine knows that an attempt was cancelled, but not why, and nothing of what the runtime has heard. */
  #explain(outcome: Outcome): Outcome {
    const { bytes, stranded, syscalls } = outcome;
    return { ...outcome, ...this.#cancellation.outcome(bytes), stranded, syscalls };
  }

  get progress(): number {
    return this.#portable.progress + (this.#link?.progress ?? 0);
  }

  close(): void {
    if (this.#hold?.isHeld !== true) this.#link?.close();
  }

  /** Keeps what the kernel refers to still, when both ends have been given back. */
  linger(): void {
    if (this.#hold?.isHeld === true) this.#hold.linger(this.#target);
  }
}
