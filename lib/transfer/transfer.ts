/** One transfer, from its arguments to its report: the effects around core's decisions. */
import { errnoName } from "../../core/abi/errno.ts";
import { TransferError, withProgress } from "../../core/error.ts";
import type { Job, Outcome, Run } from "../../core/plan/kernel.ts";
import type { Report } from "../../core/transfer/report.ts";
import { checkOptions, type TransferOptions } from "../../core/transfer/request.ts";
import type { Plan } from "../../core/plan/select.ts";
import { type Account, drive, transferLoop } from "../../core/transfer/transfer.ts";
import type { Source, Target } from "../api.ts";
import { Cancellation } from "./cancellation.ts";
import { decide, endsFor } from "./decide.ts";
import { Link } from "../engine/link.ts";
import { type LeasedRun, LeasedTransfer, type Replacement } from "../lease/leased.ts";
import { asTransferError, callFailed, codeOf, explained } from "../support/system-error.ts";
import type { Machine } from "../engine/machine.ts";
import { MemoryHold } from "../engine/memory-hold.ts";
import { PortableRun } from "./portable.ts";
import { Progress } from "./progress.ts";
import { sourceOf } from "../ends/recognise.ts";
import type { SourceEnd } from "../ends/source.ts";
import type { TargetEnd } from "../ends/target.ts";

/** Errnos after which a connection is of no more use. */
const brokenCodes = new Set(["EPIPE", "ECONNRESET", "ENOTCONN", "ECONNABORTED", "ETIMEDOUT", "EHOSTUNREACH"]);

/** What the runner of one transfer holds. */
class Runner implements LeasedRun {
  readonly #source: SourceEnd;
  readonly #target: TargetEnd;
  readonly #cancellation: Cancellation;
  readonly #portable: PortableRun;
  #link: Link | undefined;
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
  prepare(machine: Machine, plan: Plan, { emptying, leased }: { emptying: boolean; leased: boolean }): void {
    const names = plan.candidates.map(({ strategy }) => strategy);
    const startsPortable = names[0] === "portable";
    // `buffered` serves every pair, so what stands behind it is never reached.
    if (names.includes("portable") && !names.includes("buffered")) this.#source.keepReadable();
    const { engine } = machine;
    const from = this.#source.fd ?? (plan.source.fd ? this.#source.bytes : undefined);
    const { fd: to } = this.#target;
    if (engine === undefined || from === undefined || to === undefined) return;
    if (!startsPortable) this.#source.stop();
    this.#link = new Link(engine, from, to, leased, () => {
      this.#source.letGo?.();
      this.#target.letGo?.();
    });
    if (typeof from !== "number") this.#hold = new MemoryHold(this.#link, from);
    if (!emptying && !leased && !startsPortable && plan.source.buffered === 0) return;
    const held = this.#link.hold();
    if (held < 0) throw callFailed(`send ${plan.source.name}`, "fcntl", errnoName(-held));
  }

  run(job: Job): Outcome | Promise<Outcome> {
    const cancelled = this.#cancellation.outcome();
    if (cancelled !== undefined) return cancelled;
    if (job.strategy === "portable") return this.#portable.run(job);
    if (this.#link === undefined) throw new TypeError(`${job.strategy} was chosen for ends without descriptors`);
    const outcome = this.#link.run(job);
    if (!("then" in outcome)) {
      // The portable path is next, and the caller's descriptor is still there.
      if (outcome.unstaffed === true) this.#source.keepReadable();
      return outcome;
    }
    return outcome.then((end) => {
      if (end.end === "eof" && this.#source.hearEnd !== undefined) return this.#heard(this.#source.hearEnd(), end);
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
    return { ...outcome, ...this.#cancellation.outcome(outcome.bytes), syscalls: outcome.syscalls };
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

/** Opens the ends; undefined where nothing has to be waited for. In an order in which a missing source leaves the target untouched. */
function openEnds(
  machine: Machine,
  source: SourceEnd,
  target: TargetEnd,
  cancellation: Cancellation,
): Promise<void> | undefined {
  const entered = target.enter();
  // Whoever fails first is heard; what the others come to after that has no reader.
  entered?.catch(() => {});
  const opened = source.open();
  const isOpen = entered === undefined && opened === undefined && target.isOpen;
  const still = isOpen ? source.quiet?.() : undefined;
  if (isOpen && still === undefined) return undefined;
  if (opened === undefined) source.keep(machine.native);
  target.keep(machine.native);
  if (!isOpen && opened === undefined) source.listen?.();
  return (async () => {
    await cancellation.wait(Promise.all([entered, opened]));
    if (cancellation.outcome() === undefined) await cancellation.wait(Promise.resolve(target.open()));
    if (cancellation.outcome() === undefined) await (still ?? source.quiet?.());
  })();
}

/** Runs attempts that end when the peer has their bytes. */
function confirmed(leased: LeasedTransfer, plan: Plan, runner: Runner): Run {
  return async (job) => leased.confirm(plan, runner, job, await runner.run(job));
}

/** Written out: properties added to a spread copy cost V8 a transition of its map each, 3 µs in all. */
function reportOf(account: Account, leaseBroken: boolean, durationNs: number): Report {
  const { bytes, strategy, attempts, copied, cache, syscalls, waits, cpuNs } = account;
  return { bytes, strategy, attempts, copied, cache, syscalls, waits, cpuNs, leaseBroken, durationNs };
}

/** Makes what was written final. */
async function committed(target: TargetEnd, account: Account): Promise<void> {
  try {
    await target.commit?.();
  } catch (error) {
    throw withProgress(error, account);
  }
}

/** Which ends are of no more use after a failure. */
function brokenEnds(error: unknown): { source: boolean; target: boolean } {
  const broken = error instanceof TransferError && error.failed !== undefined && brokenCodes.has(error.code);
  return { source: broken && error.failed === "source", target: broken && error.failed === "target" };
}

/**
 * Moves bytes from source to target; see the entry of each runtime for the contract.
 * Runs without a single turn of the event loop where nothing has to wait. Throws where `from` is no source.
 */
export function transfer(machine: Machine, from: Source, to: Target, options: TransferOptions = {}): Promise<Report> {
  return transferFrom(machine, sourceOf(from, machine.runtime), to, options);
}

/** What the caller of a transfer that is part of something larger wants to know and to say. */
export interface TransferHooks {
  /** Whether holes stay holes: the target is a new, empty file. */
  readonly keepsHoles?: boolean;
  /** Called when bytes begin to move, with what counts them. */
  onStart?(progress: () => number): void;
  /** Called when all have moved, before that is made final. Its failure is the transfer's. */
  beforeCommit?(): Promise<void>;
}

/** The same from a source that has been recognised. */
export async function transferFrom(
  machine: Machine,
  given: SourceEnd,
  to: Target,
  options: TransferOptions,
  hooks: TransferHooks = {},
): Promise<Report> {
  const started = performance.now();
  const request = checkOptions(options);
  // Read once: the options stay the caller's.
  const { signal, onProgress } = options;
  const { source, target } = endsFor(machine, given, to, request, signal);
  const decision = () =>
    decide(machine, source.inspect(machine.native), target.inspect(machine.native), request, target.path);
  const cancellation = new Cancellation(signal);
  let runner: Runner | undefined;
  let leased: LeasedTransfer | undefined;
  let progress: Progress | undefined;
  let result: { readonly report: Report } | { readonly failure: unknown };
  try {
    throwIfCancelled(cancellation);
    // Whatever has to be waited for, an end that is closed meanwhile is heard of.
    source.watch((error) => cancellation.closed("source", error));
    target.watch((error) => cancellation.closed("target", error));
    const opening = openEnds(machine, source, target, cancellation);
    // Without that, all up to the first attempt happens within the call.
    if (opening !== undefined) await opening;
    throwIfCancelled(cancellation);
    let decided = decision();
    if (request.consistency === "leased") {
      leased = LeasedTransfer.hold(machine, source, request, cancellation);
      // From here on nobody changes the file.
      decided = decision();
    }
    const making = target.make?.();
    if (making !== undefined) {
      await making;
      throwIfCancelled(cancellation);
      // Others may have made it meanwhile.
      decided = decision();
    }
    const { emptying } = decided;
    const plan = hooks.keepsHoles ? { ...decided.plan, keepsHoles: true } : decided.plan;
    const running = new Runner(source, target, cancellation);
    runner = running;
    running.prepare(machine, plan, { emptying, leased: leased !== undefined });
    leased?.watch(plan, running);
    progress = new Progress(running, target, onProgress, (error) => cancellation.abort(error));
    hooks.onStart?.(() => running.progress);
    if (emptying) await target.empty();
    const run = leased === undefined ? (job: Job) => running.run(job) : confirmed(leased, plan, running);
    const moving = drive(transferLoop(plan, machine.capabilities), run);
    const account = "then" in moving ? await moving : moving;
    leased?.conclude(account, plan.source.name);
    source.verify?.(account.bytes);
    if (hooks.beforeCommit !== undefined) await hooks.beforeCommit();
    if (target.commit !== undefined) await committed(target, account);
    progress.finish(account.bytes);
    const durationNs = Math.round((performance.now() - started) * 1e6);
    result = { report: reportOf(account, leased?.broken ?? false, durationNs) };
  } catch (failure) {
    result = { failure };
  }
  progress?.stop();
  cancellation.dispose();
  runner?.close();
  if (leased !== undefined) await leased.end();
  const broken = brokenEnds("failure" in result ? result.failure : undefined);
  const endings = [
    source.end(broken.source),
    target.end(broken.target, "failure" in result && (runner?.progress ?? 0) === 0),
  ];
  runner?.linger();
  const ended = endings.some((ending) => ending !== undefined) ? await Promise.allSettled(endings) : [];
  if ("failure" in result) throw asTransferError(result.failure);
  // A close that fails is a write that was lost (NFS, quota).
  for (const each of ended) if (each.status === "rejected") throw explained(each.reason, "transfer", "close");
  return result.report;
}

function throwIfCancelled(cancellation: Cancellation): void {
  const outcome = cancellation.outcome();
  if (outcome === undefined) return;
  const { closed: failed, cause } = outcome;
  const code = failed === undefined ? "ABORT_ERR" : (codeOf(cause) ?? "ERR_SLUICE_CLOSED");
  const how = failed === undefined ? "aborted" : `the ${failed} was closed`;
  throw new TransferError(`Cannot transfer: ${how} before the first byte`, { code, failed, cause });
}
