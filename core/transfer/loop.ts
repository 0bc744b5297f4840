/**
 * The loop: attempt, outcome, resume. It yields jobs and is given outcomes, so that the same code
 * runs under an async driver, a sync driver and a scripted test. It never awaits.
 */
import type { Capabilities } from "../plan/capabilities.ts";
import type { EndpointKind } from "../plan/endpoint.ts";
import { errnoName, errnoNumber, errnoText } from "../abi/errno.ts";
import { thrownCode, thrownText, TransferError, type TransferErrorDetails } from "../error.ts";
import type { Copied, Job, Outcome, Run } from "../plan/kernel.ts";
import type { Attempt, Report } from "./report.ts";
import { ringErrnoText } from "../ring.ts";
import { type Candidate, carried, type Plan } from "../plan/select.ts";
import { isRing, strategies } from "../plan/strategies.ts";

/** The report without what only a driver can tell: the wall-clock time, and what became of a lease. */
export type Account = Omit<Report, "durationNs" | "leaseBroken">;

interface Ledger {
  bytes: number;
  syscalls: number;
  waits: number;
  cpuNs: number;
  readonly attempts: Attempt[];
  /** For each attempt, what the kernel said about copies, if it said something. */
  readonly told: (Copied | undefined)[];
}

/** What the engine answers where it can't leave the page cache as it was. */
const cacheRefusals: Readonly<Record<string, string>> = {
  ENODATA: "the kernel tells neither what was in the page cache before, nor has it RWF_DONTCACHE for this file",
};

type Verdict = { readonly kind: "complete" } | { readonly kind: "next"; readonly why: string } | Failure;

interface Failure {
  readonly kind: "failed";
  readonly message: string;
  readonly details: TransferErrorDetails;
}

/**
 * Runs a plan: yields one {@link Job} an attempt, resumes with the next mechanism at the exact byte
 * where one is refused, and returns the account.
 *
 * @throws TransferError with the bytes moved, when nothing is left to try or the failure is not a refusal
 */
export function* transferLoop(plan: Plan, capabilities: Capabilities): Generator<Job, Account, Outcome> {
  const ledger: Ledger = { bytes: 0, syscalls: 0, waits: 0, cpuNs: 0, attempts: [], told: [] };
  if (plan.length === 0) return close(plan, ledger);
  const hasCarried = yield* carry(plan, ledger);
  if (hasCarried && ledger.bytes === plan.length) return close(plan, ledger);
  let left = plan.candidates.length;
  for (const candidate of plan.candidates) {
    const more = --left > 0;
    const whole = jobFor(plan, candidate, ledger.bytes, more);
    const job = bounded(whole, plan, ledger.bytes);
    const outcome = yield job;
    const verdict = judge(plan, candidate, outcome, ledger.bytes, more);
    enter(ledger, candidate, outcome, verdict);
    const refused =
      verdict.kind === "next" && outcome.errno > 0 && outcome.unstaffed !== true ? errnoName(outcome.errno) : undefined;
    if (refused !== undefined || outcome.bytes > 0)
      capabilities.learn(candidate.strategy, plan.source, plan.target, refused);
    if (verdict.kind === "complete" && job !== whole) yield* aside(plan, ledger, rest);
    if (verdict.kind === "complete") return close(plan, ledger);
    if (verdict.kind === "failed") throw failure(plan, candidate, ledger, outcome, verdict);
  }
  throw new Error("A plan's last candidate can't give way to another");
}

/** Brings over what the runtime had already read from the source. True when there was something. */
function* carry(plan: Plan, ledger: Ledger): Generator<Job, boolean, Outcome> {
  const candidate = carried(plan);
  if (candidate === undefined) return false;
  yield* aside(plan, ledger, candidate, Math.min(plan.source.buffered, plan.length ?? plan.source.buffered));
  return true;
}

/** The end of a source of which not all may pass its runtime by. */
const rest: Candidate = { strategy: "portable", reason: "the runtime reads the end of the body by itself" };

/** Moves what no mechanism is chosen for; without `length`, all that is left. */
function* aside(plan: Plan, ledger: Ledger, candidate: Candidate, length?: number): Generator<Job, void, Outcome> {
  const moved = ledger.bytes;
  const job = jobFor(plan, candidate, moved);
  const outcome = yield length === undefined ? job : { ...job, length };
  const verdict = judge(plan, candidate, outcome, moved, false);
  enter(ledger, candidate, outcome, verdict);
  if (verdict.kind === "failed") throw failure(plan, candidate, ledger, outcome, verdict);
}

/** A job as far as the source's bytes may pass its runtime by. */
function bounded(job: Job, { source }: Plan, moved: number): Job {
  if (source.passable === undefined || job.strategy === "portable") return job;
  const most = Math.max(0, source.buffered + source.passable - moved);
  return job.length !== undefined && job.length <= most ? job : { ...job, length: most };
}

function jobFor(plan: Plan, { strategy }: Candidate, moved: number, givesWay = false): Job {
  return {
    strategy,
    offset: plan.offset === undefined ? undefined : plan.offset + moved,
    length: plan.length === undefined ? undefined : plan.length - moved,
    targetOffset: plan.targetOffset === undefined ? undefined : plan.targetOffset + moved,
    inline: plan.inline,
    cache: plan.cache,
    keepsHoles: plan.keepsHoles,
    givesWay,
  };
}

/** What an outcome means. `moved` is what earlier attempts brought over. */
function judge(plan: Plan, { strategy }: Candidate, outcome: Outcome, moved: number, more: boolean): Verdict {
  const row = strategies[strategy];
  const total = moved + outcome.bytes;
  const failed = (message: string, details: TransferErrorDetails): Verdict => ({ kind: "failed", message, details });

  if (outcome.end === "done") return { kind: "complete" };
  if (outcome.end === "cancelled" && outcome.closed !== undefined) {
    // A runtime that reads the socket too may hear of a reset before the engine does.
    const code = outcome.cause === undefined ? "ERR_SLUICE_CLOSED" : outcomeCode(outcome);
    return failed(`the ${outcome.closed} was closed after ${total} bytes (${code})`, {
      code,
      errno: errnoNumber(code) || undefined,
      syscall: thrownText(outcome.cause, "syscall"),
      failed: outcome.closed,
      cause: outcome.cause,
    });
  }
  if (outcome.leaseBroken)
    return failed(`somebody wants to change the source, whose lease was broken after ${total} bytes`, {
      code: "ERR_SLUICE_LEASE_BROKEN",
      failed: "source",
      cause: outcome.cause,
    });
  if (outcome.end === "cancelled")
    return failed(`aborted after ${total} bytes`, { code: "ABORT_ERR", cause: outcome.cause });
  if (outcome.end === "eof") {
    // Filesystems without the operation, and procfs, answer 0 where there are bytes.
    const suspicious = outcome.bytes === 0 && (row.zeroMayRefuse || plan.source.size === undefined);
    if (more && suspicious && plan.offset !== undefined)
      return { kind: "next", why: "it said end of file before the first byte" };
    if (!plan.owed || plan.length === undefined || total >= plan.length) return { kind: "complete" };
    const owed = plan.length - total;
    return failed(
      `expected ${owed} more ${owed === 1 ? "byte" : "bytes"} at offset ${(plan.offset ?? 0) + total}, source was truncated`,
      { code: "ERR_SLUICE_TRUNCATED" },
    );
  }
  if (outcome.unstaffed === true) {
    const why = "no thread can be started (EAGAIN: RLIMIT_NPROC, or the pids.max of a cgroup)";
    return more && outcome.stranded === 0
      ? { kind: "next", why }
      : failed(why, { code: "EAGAIN", errno: outcome.errno, syscall: "pthread_create" });
  }
  const code = outcomeCode(outcome);
  const errno = outcome.errno || errnoNumber(code) || undefined;
  const syscall = row.syscalls[outcome.failed === "source" ? row.syscalls.length - 1 : 0];
  const refused = row.refusals.has(code) || (plan.cache === "dontcache" && Object.hasOwn(cacheRefusals, code));
  if (more && outcome.stranded === 0 && refused) return { kind: "next", why: `it answered ${code}` };
  const after = total > 0 ? ` after ${total} bytes` : "";
  const reason = (plan.cache === "dontcache" ? cacheRefusals[code] : undefined) ?? row.unsupported?.[code];
  if (reason !== undefined)
    return failed(`${reason} (${code})${after}`, { code: "ERR_SLUICE_UNSUPPORTED", errno, failed: outcome.failed });
  const isOfRing = outcome.failed !== undefined && isRing(plan[outcome.failed]);
  const text = isOfRing ? ringErrnoText(code) : errnoText(code);
  return failed(`${text} (${code}, ${syscall})${after}`, {
    code,
    errno,
    syscall,
    failed: outcome.failed,
    cause: outcome.cause,
  });
}

/** The errno's name; for what a runtime threw, the code that it carries. */
function outcomeCode({ errno, cause }: Outcome): string {
  return errno > 0 ? errnoName(errno) : (thrownCode(cause) ?? "ERR_SLUICE_FAILED");
}

function enter(ledger: Ledger, { strategy, reason }: Candidate, outcome: Outcome, verdict: Verdict): void {
  ledger.bytes += outcome.bytes;
  ledger.syscalls += outcome.syscalls;
  ledger.waits += outcome.waits;
  ledger.cpuNs += outcome.cpuNs;
  ledger.told.push(outcome.copied);
  const { bytes } = outcome;
  const why = verdict.kind === "next" ? `${reason}; gave way: ${verdict.why}` : reason;
  ledger.attempts.push(
    outcome.end === "error"
      ? { strategy, bytes, code: outcomeCode(outcome), reason: why }
      : { strategy, bytes, reason: why },
  );
}

function close({ source, target, cache }: Plan, { bytes, syscalls, waits, cpuNs, attempts, told }: Ledger): Account {
  let best: Attempt | undefined;
  let copied: Copied = "no";
  for (const [index, attempt] of attempts.entries()) {
    if (best === undefined || attempt.bytes > best.bytes) best = attempt;
    const answer = attempt.bytes > 0 ? (told[index] ?? strategies[attempt.strategy].copied(source, target)) : "no";
    if (answer === "yes" || copied === "no") copied = answer;
  }
  return { bytes, strategy: best?.strategy, attempts, copied, cache, syscalls, waits, cpuNs };
}

const nouns: Partial<Record<EndpointKind, string>> = {
  charDevice: "character device",
  blockDevice: "block device",
  memory: "bytes",
  ring: "from ring",
};

function failure(plan: Plan, { strategy }: Candidate, ledger: Ledger, outcome: Outcome, { message, details }: Failure) {
  return new TransferError(`Cannot send ${nouns[plan.source.kind] ?? plan.source.kind}: ${message}`, {
    strategy,
    bytesTransferred: ledger.bytes,
    bytesStranded: outcome.stranded,
    sourceOffset: plan.offset === undefined ? undefined : plan.offset + ledger.bytes,
    attempts: ledger.attempts,
    ...details,
  });
}

/** Drives a loop with a runner that may have to wait: a promise from there on, and none where it never has to. */
export function drive<T>(loop: Generator<Job, T, Outcome>, run: Run, first = loop.next()): T | Promise<T> {
  let step = first;
  while (!step.done) {
    const outcome = run(step.value);
    if ("then" in outcome) return outcome.then((answer) => drive(loop, run, loop.next(answer)));
    step = loop.next(outcome);
  }
  return step.value;
}

/** Drives a loop with a runner that never waits, for hosts that can't return promises. */
export function driveSync<T>(loop: Generator<Job, T, Outcome>, run: (job: Job) => Outcome): T {
  let step = loop.next();
  while (!step.done) step = loop.next(run(step.value));
  return step.value;
}
