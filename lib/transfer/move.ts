/** Moves bytes between two ends. */
import { TransferError, withPaths, withProgress } from "../../core/error.ts";
import type { AbortSignalLike } from "../../core/options.ts";
import type { Job, Run } from "../../core/plan/kernel.ts";
import type { Plan } from "../../core/plan/select.ts";
import type { Report } from "../../core/transfer/report.ts";
import type { TransferRequest } from "../../core/transfer/request.ts";
import { type Account, drive, transferLoop } from "../../core/transfer/loop.ts";
import type { Machine } from "../engine/machine.ts";
import type { SourceEnd } from "../ends/source.ts";
import type { TargetEnd } from "../ends/target.ts";
import { asTransferError, explained } from "../support/system-error.ts";
import { Cancellation } from "./cancellation.ts";
import { decide } from "./decide.ts";
import type { Guard } from "./guard.ts";
import { Progress } from "./progress.ts";
import { Runner } from "./runner.ts";

/** Errnos after which a connection is of no more use. */
const brokenCodes = new Set(["EPIPE", "ECONNRESET", "ENOTCONN", "ECONNABORTED", "ETIMEDOUT", "EHOSTUNREACH"]);

/** The ends of a transfer. None is opened yet. */
export interface Ends {
  readonly source: SourceEnd;
  readonly target: TargetEnd;
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

/** How the bytes are to be moved. */
export interface Move {
  readonly request: TransferRequest;
  readonly signal: AbortSignalLike | undefined;
  readonly onProgress?: ((bytes: number) => void) | undefined;
  readonly hooks?: TransferHooks | undefined;
  /** Takes hold of the source once it is open, so that it changes no more unnoticed. */
  readonly guard?: ((cancellation: Cancellation) => Guard | undefined) | undefined;
  /** When the call came, by performance.now(). */
  readonly started: number;
}

const noHooks: TransferHooks = {};

/** Opens the ends; undefined where nothing has to be waited for. In an order in which a missing source leaves the target untouched. */
function openEnds(
  machine: Machine,
  source: SourceEnd,
  target: TargetEnd,
  cancellation: Cancellation,
): Promise<void> | undefined {
  const entered = target.enter?.();
  // The first failure is told; what comes after it has no reader.
  entered?.catch(() => {});
  const opened = source.open?.();
  const isOpen = entered === undefined && opened === undefined && target.isOpen;
  const still = isOpen ? source.quiet?.() : undefined;
  if (isOpen && still === undefined) return undefined;
  if (opened === undefined) source.keep?.(machine.native);
  target.keep?.(machine.native);
  if (!isOpen && opened === undefined) source.listen?.();
  return (async () => {
    await cancellation.wait(Promise.all([entered, opened]));
    if (cancellation.outcome() === undefined) await cancellation.wait(Promise.resolve(target.open?.()));
    if (cancellation.outcome() === undefined) await (still ?? source.quiet?.());
  })();
}

/** Runs attempts that end when the peer has their bytes. */
function confirmed(guard: Guard, plan: Plan, runner: Runner): Run {
  return async (job) => guard.confirm(plan, runner, job, await runner.run(job));
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

/** Runs without a single turn of the event loop where nothing has to wait. */
export async function move(machine: Machine, { source, target }: Ends, how: Move): Promise<Report> {
  const { request, signal, onProgress, hooks = noHooks } = how;
  const decision = () =>
    decide(machine, source.inspect(machine.native), target.inspect(machine.native), request, target.path);
  const cancellation = new Cancellation(signal);
  let runner: Runner | undefined;
  let guard: Guard | undefined;
  let progress: Progress | undefined;
  let result: { readonly report: Report } | { readonly failure: unknown };
  try {
    cancellation.check("transfer");
    // Whatever has to be waited for, an end that is closed meanwhile is heard of.
    source.watch?.((error) => cancellation.closed("source", error));
    target.watch?.((error) => cancellation.closed("target", error));
    const opening = openEnds(machine, source, target, cancellation);
    // Without that, all up to the first attempt happens within the call.
    if (opening !== undefined) await opening;
    cancellation.check("transfer");
    let decided = decision();
    if (how.guard !== undefined) {
      guard = how.guard(cancellation);
      // From here on the file stays as it is.
      decided = decision();
    }
    const making = target.make?.();
    if (making !== undefined) {
      await making;
      cancellation.check("transfer");
      // Others may have made it meanwhile.
      decided = decision();
    }
    const { emptying } = decided;
    const plan = hooks.keepsHoles ? { ...decided.plan, keepsHoles: true } : decided.plan;
    const running = new Runner(source, target, cancellation);
    runner = running;
    running.prepare(machine, plan, { emptying, guarded: guard !== undefined });
    guard?.watch(plan, running);
    progress = new Progress(running, target, onProgress, (error) => cancellation.abort(error));
    hooks.onStart?.(() => running.progress);
    if (emptying) await target.empty?.();
    const run = guard === undefined ? (job: Job) => running.run(job) : confirmed(guard, plan, running);
    const moving = drive(transferLoop(plan, machine.capabilities), run);
    const account = "then" in moving ? await moving : moving;
    guard?.conclude(account, plan.source.name);
    source.verify?.(account.bytes);
    if (hooks.beforeCommit !== undefined) await hooks.beforeCommit();
    if (target.commit !== undefined) await committed(target, account);
    progress.finish(account.bytes);
    const durationNs = Math.round((performance.now() - how.started) * 1e6);
    result = { report: reportOf(account, guard?.broken ?? false, durationNs) };
  } catch (failure) {
    result = { failure };
  }
  progress?.stop();
  cancellation.dispose();
  runner?.close();
  if (guard !== undefined) await guard.end();
  const broken = brokenEnds("failure" in result ? result.failure : undefined);
  const endings = [
    source.end(broken.source),
    target.end(broken.target, "failure" in result && (runner?.progress ?? 0) === 0),
  ];
  runner?.linger();
  const ended = endings.some((ending) => ending !== undefined) ? await Promise.allSettled(endings) : [];
  const paths = { path: source.path, dest: target.path };
  if ("failure" in result) throw withPaths(asTransferError(result.failure), paths);
  // A close that fails is a write that was lost (NFS, quota).
  for (const each of ended)
    if (each.status === "rejected") throw withPaths(explained(each.reason, "transfer", "close"), paths);
  return result.report;
}
