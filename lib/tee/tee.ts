/** One source to several targets; see the entry of each runtime for the contract. */
import { argumentError, type TransferError, withPaths } from "../../core/error.ts";
import { type Copied, nothing, type Outcome } from "../../core/plan/kernel.ts";
import {
  checkTeeOptions,
  holdsUp,
  laggards,
  stillBehind,
  TeeError,
  type TeeOptions,
  type TeeReport,
  type TeeRequest,
  type TeeStrategy,
} from "../../core/tee.ts";
import type { Source, Target } from "../api.ts";
import { Cancellation } from "../transfer/cancellation.ts";
import { sourceOf } from "../ends/recognise.ts";
import type { SourceEnd } from "../ends/source.ts";
import type { Machine } from "../engine/machine.ts";
import { Branch } from "./branch.ts";
import type { Distribution } from "./distribution.ts";
import { checkSource, distribute, isReadAgain } from "./choose-distribution.ts";
import { failureOf, unproven } from "./failure.ts";

/** How often it is looked who is behind, in milliseconds. */
const lookMs = 50;

/** One call of tee(). */
class Teeing {
  readonly #request: TeeRequest;
  readonly #cancellation: Cancellation;
  /** The source's. */
  readonly #path: string | undefined;
  readonly #branches: Branch[] = [];
  #timer: ReturnType<typeof setInterval> | undefined;
  #firstError: TransferError | undefined;
  #outcome: Outcome = nothing;
  /** Settles as the source has ended; what atomic targets wait for. */
  #ended: (() => void) | undefined;
  readonly #sourceEnded = new Promise<void>((resolve) => (this.#ended = resolve));
  #failure: TransferError | undefined;

  constructor(request: TeeRequest, cancellation: Cancellation, path: string | undefined) {
    this.#request = request;
    this.#path = path;
    this.#cancellation = cancellation;
  }

  /** Each target reads the source by itself. */
  async separately(machine: Machine, from: Source, targets: readonly Target[]): Promise<void> {
    const { offset, length } = this.#request;
    this.#start(targets, (target) => {
      const source = sourceOf(from, machine.runtime);
      return new Branch(machine, source, target, this.#request, { offset, length });
    });
    this.#cancellation.onCancel(() => this.#abortAll());
    await this.#allEnded();
    this.#failure = failureOf(nothing, this.#cancellation, "source") ?? this.#endedBy();
  }

  /** One reader gives to all. */
  async together(
    machine: Machine,
    distribution: Distribution,
    targets: readonly Target[],
    from: SourceEnd,
    name: string,
  ): Promise<void> {
    const { sources } = distribution;
    const published = async () => {
      await this.#sourceEnded;
      if (this.#failure !== undefined) throw this.#failure;
    };
    this.#start(targets, (target, index) => {
      const source = sources[index];
      if (source === undefined) throw new TypeError("There is a source for each target");
      return new Branch(machine, source, target, this.#request, {}, published);
    });
    this.#cancellation.onCancel(() => {
      distribution.stop();
      this.#abortAll();
    });
    // A source that has nothing to say would be waited for, though no target is left.
    void this.#allEnded().then(() => distribution.stop());
    this.#watchLaggards(distribution);
    this.#outcome = await distribution.run();
    if (this.#outcome.end === "eof") await from.hearEnd?.();
    const noneLeft = this.#branches.every((branch) => branch.isOver);
    const failed = noneLeft ? this.#endedBy() : failureOf(this.#outcome, this.#cancellation, name);
    this.#failure = failed ?? unproven(from, this.#outcome);
    this.#ended?.();
    distribution.finish();
    await this.#allEnded();
    clearInterval(this.#timer);
    this.#failure ??= failureOf(nothing, this.#cancellation, name) ?? this.#endedBy();
  }

  #start(targets: readonly Target[], make: (target: Target, index: number) => Branch): void {
    for (const [index, target] of targets.entries()) {
      const branch = make(target, index);
      this.#branches.push(branch);
      void branch.ended.then(() => this.#onEnd(branch));
    }
  }

  #onEnd({ error }: Branch): void {
    if (error === undefined) return;
    this.#firstError ??= error;
    if (this.#request.onFailure === "end") this.#cancellation.abort(error);
  }

  #abortAll(): void {
    const cause = this.#cancellation.outcome()?.cause;
    for (const branch of this.#branches) branch.abort(cause);
  }

  async #allEnded(): Promise<void> {
    await Promise.all(this.#branches.map(({ ended }) => ended));
  }

  #watchLaggards(distribution: Distribution): void {
    const { slowest, lag } = this.#request;
    if (slowest !== "drop") return;
    let before: readonly number[] = [];
    this.#timer = setInterval(() => {
      const taken = this.#branches.map((branch) => branch.taken);
      const behind = [...laggards(taken, lag), holdsUp(taken, distribution.heldUp)].filter(
        (index) => index !== undefined,
      );
      for (const index of stillBehind(before, behind)) this.#branches[index]?.drop(lag);
      before = behind;
    }, lookMs);
  }

  /** The error of all, where no target came to its end or one of them was to end all. */
  #endedBy(): TransferError | undefined {
    const all = this.#branches.every(({ error }) => error !== undefined);
    return all || this.#request.onFailure === "end" ? this.#firstError : undefined;
  }

  report(strategy: TeeStrategy, reason: string, durationNs: number): TeeReport {
    const targets = this.#branches.map((branch) => branch.conclude(this.#failure, this.#path));
    const reports = targets.flatMap(({ report }) => report ?? []);
    const sum = (name: "syscalls" | "waits" | "cpuNs") =>
      reports.reduce((total, report) => total + report[name], this.#outcome[name]);
    const taken = Math.max(0, ...targets.map(({ bytes }) => bytes));
    const answers: readonly Copied[] = [
      ...(strategy === "buffered" || strategy === "portable" ? (["yes"] as const) : []),
      ...reports.filter(({ bytes }) => bytes > 0).map(({ copied }) => copied),
    ];
    return {
      bytes: strategy === "separate" ? taken : Math.max(taken, this.#outcome.bytes),
      strategy,
      reason,
      copied: (["yes", "unknown"] as const).find((answer) => answers.includes(answer)) ?? "no",
      targets,
      syscalls: sum("syscalls"),
      waits: sum("waits"),
      cpuNs: sum("cpuNs"),
      durationNs,
    };
  }

  /** @throws TeeError */
  conclude(report: TeeReport): TeeReport {
    const failure = this.#failure;
    if (failure === undefined) return report;
    const { code, errno, failed, bytesTransferred, bytesStranded } = failure;
    const first = this.#firstError;
    // One target's failure has ended all.
    const dest = failure.dest ?? (failure.cause === first ? first?.dest : undefined);
    const path = failure.path ?? this.#path;
    const details = {
      code,
      errno,
      failed,
      bytesTransferred,
      bytesStranded,
      path,
      dest,
      cause: failure.cause ?? failure,
    };
    throw new TeeError(failure.message, details, report);
  }
}

export async function tee(
  machine: Machine,
  from: Source,
  targets: readonly Target[],
  options: TeeOptions = {},
): Promise<TeeReport> {
  const started = performance.now();
  const request = checkTeeOptions(options);
  if (!Array.isArray(targets) || targets.length === 0)
    throw argumentError("ERR_INVALID_ARG_TYPE", "targets must be an array of at least one target");
  const source = sourceOf(from, machine.runtime);
  const cancellation = new Cancellation(options.signal);
  const teeing = new Teeing(request, cancellation, source.path);
  let strategy: TeeStrategy = "separate";
  let reason = "each target reads the source by itself, and waits for no other";
  try {
    cancellation.check("tee");
    const opened = source.open?.();
    if (opened === undefined) source.keep?.(machine.native);
    source.watch?.((error) => cancellation.closed("source", error));
    await cancellation.wait(Promise.resolve(opened));
    if (cancellation.outcome() === undefined) await source.quiet?.();
    cancellation.check("tee");
    const found = source.inspect(machine.native);
    checkSource(found, request);
    if (isReadAgain(found) && (request.strategy === "auto" || request.strategy === "separate")) {
      await teeing.separately(machine, from, targets);
    } else {
      const distribution = await distribute(machine, source, found, targets.length, request, cancellation);
      await teeing.together(machine, distribution, targets, source, found.name);
      ({ strategy, reason } = distribution);
    }
  } catch (error) {
    throw withPaths(error, { path: source.path });
  } finally {
    cancellation.dispose();
    await source.end(false);
  }
  return teeing.conclude(teeing.report(strategy, reason, Math.round((performance.now() - started) * 1e6)));
}
