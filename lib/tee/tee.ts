/** One source to several targets; see the entry of each runtime for the contract. */
import { type Endpoint, hasPositions } from "../../core/plan/endpoint.ts";
import { errnoName, errnoText } from "../../core/abi/errno.ts";
import { argumentError, TransferError } from "../../core/error.ts";
import { nothing, type Outcome } from "../../core/plan/kernel.ts";
import type { Copied } from "../../core/transfer/report.ts";
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
import { codeOf } from "../support/system-error.ts";
import { Branch } from "./branch.ts";
import type { Distribution } from "./distribution.ts";
import { EngineDistribution } from "./engine-distribution.ts";
import { PortableDistribution } from "./portable-distribution.ts";

/** How often it is looked who is behind, in milliseconds. */
const lookMs = 50;

const means = { auto: ["tee", "buffered"], tee: ["tee"], buffered: ["buffered"] } as const;

/** Whether every target may read the source by itself: it stays the same, however often it is read. */
function isReadAgain({ kind }: Endpoint): boolean {
  return kind === "file" || kind === "memory";
}

function unsupported(detail: string): TransferError {
  return new TransferError(`Cannot tee: ${detail}`, { code: "ERR_SLUICE_UNSUPPORTED" });
}

function checkSource(found: Endpoint, { offset }: TeeRequest): void {
  const no = (code: string, detail: string): never => {
    throw new TransferError(`Cannot tee: ${detail}`, { code });
  };
  if (found.kind === "directory") no("EISDIR", `${found.name} is a directory`);
  if (found.kind === "other" || (found.kind === "socket" && found.fd && !found.byteStream))
    no("ERR_SLUICE_UNSUPPORTED", `${found.name} is no byte stream`);
  if (found.listening) no("ENOTCONN", `${found.name} is listening, not connected`);
  if (!found.readable) no("EBADF", `${found.name} is not open for reading`);
  if (!hasPositions(found) && offset !== 0) no("ESPIPE", `${found.name} has no positions, so offset must be 0`);
}

/** Takes what the runtime had read, and answers it with what is left of the source. */
async function takeHead(source: SourceEnd, found: Endpoint, length: number | undefined): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const most = Math.min(found.buffered, length ?? found.buffered);
  for (let taken = 0; taken < most;) {
    const part = await source.read(most - taken, undefined);
    if (part === undefined) break;
    parts.push(part);
    taken += part.byteLength;
  }
  return Buffer.concat(parts);
}

async function distribute(
  machine: Machine,
  source: SourceEnd,
  found: Endpoint,
  count: number,
  request: TeeRequest,
  cancellation: Cancellation,
): Promise<Distribution> {
  const { strategy } = request;
  if (strategy === "separate") throw unsupported(`${found.name} can be read once alone`);
  const { engine } = machine;
  const positioned = hasPositions(found);
  const withoutFd =
    engine === undefined ? String(machine.native) : (found.withoutFd ?? `${found.name} has no descriptor`);
  const why =
    strategy === "portable"
      ? "asked for"
      : engine === undefined || !found.fd || source.fd === undefined
        ? withoutFd
        : strategy === "auto"
          ? found.readByRuntime
          : undefined;
  if (why !== undefined && strategy !== "auto" && strategy !== "portable") throw unsupported(why);
  if (why !== undefined || engine === undefined || source.fd === undefined || strategy === "portable") {
    source.keepReadable();
    return new PortableDistribution(source, positioned, count, request, cancellation, why ?? withoutFd);
  }
  source.stop();
  const offset = positioned ? request.offset : undefined;
  // The descriptor is duplicated before anything is waited for.
  const { fd } = source;
  const held = machine.engine === undefined ? -1 : engine.native.sluice_duplicate(fd);
  try {
    const head = await takeHead(source, found, request.length);
    return new EngineDistribution(engine, held < 0 ? fd : held, head, count, means[strategy], { ...request, offset });
  } finally {
    if (held >= 0) engine.native.sluice_close(held);
  }
}

/** Why the distribution failed, if it did. */
function failureOf(outcome: Outcome, cancellation: Cancellation, name: string): TransferError | undefined {
  const { bytes, stranded, errno, failed, cause } = outcome;
  const cancelled = cancellation.outcome();
  if (cancelled !== undefined) {
    const code = cancelled.closed === undefined ? "ABORT_ERR" : (codeOf(cancelled.cause) ?? "ERR_SLUICE_CLOSED");
    const how = cancelled.closed === undefined ? "aborted" : `the ${cancelled.closed} was closed`;
    return new TransferError(`Cannot tee: ${how} after ${bytes} bytes`, {
      code,
      bytesTransferred: bytes,
      bytesStranded: stranded,
      cause: cancelled.cause,
      failed: cancelled.closed,
    });
  }
  if (outcome.end !== "error") return undefined;
  const code = errno > 0 ? errnoName(errno) : (codeOf(cause) ?? "ERR_SLUICE_FAILED");
  return new TransferError(`Cannot tee ${name}: ${errnoText(code)} (${code}) after ${bytes} bytes`, {
    code,
    errno: errno > 0 ? errno : undefined,
    bytesTransferred: bytes,
    bytesStranded: stranded,
    failed,
    cause,
  });
}

/** Why what was given may not have been the source's, if it may. */
function unproven(source: SourceEnd, { bytes }: Outcome): TransferError | undefined {
  try {
    source.verify?.(bytes);
    return undefined;
  } catch (error) {
    if (error instanceof TransferError) return error;
    throw error;
  }
}

function throwIfOver(cancellation: Cancellation): void {
  const outcome = cancellation.outcome();
  if (outcome === undefined) return;
  const { closed: failed, cause } = outcome;
  const code = failed === undefined ? "ABORT_ERR" : (codeOf(cause) ?? "ERR_SLUICE_CLOSED");
  const how = failed === undefined ? "aborted" : `the ${failed} was closed`;
  throw new TransferError(`Cannot tee: ${how} before the first byte`, { code, failed, cause });
}

class Teeing {
  readonly #request: TeeRequest;
  readonly #cancellation: Cancellation;
  readonly #branches: Branch[] = [];
  #timer: ReturnType<typeof setInterval> | undefined;
  #firstError: TransferError | undefined;
  #outcome: Outcome = nothing;
  /** Settles as the source has ended; what atomic targets wait for. */
  #ended: () => void = () => {};
  readonly #sourceEnded = new Promise<void>((resolve) => (this.#ended = resolve));
  #failure: TransferError | undefined;

  constructor(request: TeeRequest, cancellation: Cancellation) {
    this.#request = request;
    this.#cancellation = cancellation;
  }

  /** Each target reads the source by itself. */
  async separately(machine: Machine, from: Source, targets: readonly Target[]): Promise<void> {
    const { offset, length } = this.#request;
    this.#start(targets, (target) => {
      const source = sourceOf(from, machine.runtime);
      return new Branch(machine, source, target, this.#request, { offset, length }, async () => {});
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
    // A source that has nothing to say would be waited for, though nobody listens any more.
    void this.#allEnded().then(() => distribution.stop());
    this.#watchLaggards(distribution);
    this.#outcome = await distribution.run();
    if (this.#outcome.end === "eof") await from.hearEnd?.();
    const nobodyLeft = this.#branches.every((branch) => branch.isOver);
    const failed = nobodyLeft ? this.#endedBy() : failureOf(this.#outcome, this.#cancellation, name);
    this.#failure = failed ?? unproven(from, this.#outcome);
    this.#ended();
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
    const targets = this.#branches.map((branch) => branch.conclude(this.#failure));
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
    const details = { code, errno, failed, bytesTransferred, bytesStranded, cause: failure.cause ?? failure };
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
  const teeing = new Teeing(request, cancellation);
  let strategy: TeeStrategy = "separate";
  let reason = "each target reads the source by itself, and waits for no other";
  try {
    throwIfOver(cancellation);
    const opened = source.open();
    if (opened === undefined) source.keep(machine.native);
    source.watch((error) => cancellation.closed("source", error));
    await cancellation.wait(Promise.resolve(opened));
    if (cancellation.outcome() === undefined) await source.quiet?.();
    throwIfOver(cancellation);
    const found = source.inspect(machine.native);
    checkSource(found, request);
    if (isReadAgain(found) && (request.strategy === "auto" || request.strategy === "separate")) {
      await teeing.separately(machine, from, targets);
    } else {
      const distribution = await distribute(machine, source, found, targets.length, request, cancellation);
      await teeing.together(machine, distribution, targets, source, found.name);
      ({ strategy, reason } = distribution);
    }
  } finally {
    cancellation.dispose();
    await source.end(false);
  }
  return teeing.conclude(teeing.report(strategy, reason, Math.round((performance.now() - started) * 1e6)));
}
