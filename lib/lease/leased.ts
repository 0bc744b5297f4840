/** The lease of one transfer: held while its bytes are under way, and let go in time when somebody wants the file. */
import type { FileHandle } from "node:fs/promises";
import { TransferError } from "../../core/error.ts";
import type { Job, Outcome } from "../../core/plan/kernel.ts";
import { type Decision, decide, handsOver, stopAfterMs } from "../../core/lease.ts";
import type { Request } from "../../core/transfer/request.ts";
import type { Plan } from "../../core/plan/select.ts";
import type { Account } from "../../core/transfer/transfer.ts";
import { delay } from "../support/delay.ts";
import type { Cancellation } from "../transfer/cancellation.ts";
import { readSnapshot, snapshot } from "../copy/snapshot.ts";
import type { SourceEnd } from "../ends/source.ts";
import { Lease, type LeaseBreak } from "./lease.ts";
import type { Machine } from "../engine/machine.ts";

/** Longest time between two looks at what the peer has acknowledged, in milliseconds. */
const mostBetweenLooksMs = 100;

/** What a transfer can read on from, at the same offsets. */
export interface Replacement {
  readonly fd: number;
  read(max: number, offset: number): Promise<Uint8Array | undefined>;
}

/** The part of a transfer's runner that the lease has to do with. */
export interface LeasedRun {
  readonly progress: number;
  /** Bytes that the target has taken and its peer has not, or a negative errno. */
  readonly outstanding: number;
  /** Resolves when the source is read no more. */
  replaceSource(replacement: Replacement): Promise<void>;
}

export class LeasedTransfer {
  readonly #machine: Machine;
  readonly #source: SourceEnd;
  readonly #request: Request;
  readonly #cancellation: Cancellation;
  readonly #lease: Lease;
  readonly #saving = new AbortController();
  #saved: Promise<FileHandle | undefined> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Whether the target may hold references to the source's pages. */
  #shared = false;
  #letGo: boolean | undefined;
  #broken = false;

  private constructor(machine: Machine, source: SourceEnd, request: Request, cancellation: Cancellation, lease: Lease) {
    this.#machine = machine;
    this.#source = source;
    this.#request = request;
    this.#cancellation = cancellation;
    this.#lease = lease;
  }

  /** Takes a lease on an opened source. Undefined where it is no regular file, which selection refuses. */
  static hold(
    machine: Machine,
    source: SourceEnd,
    request: Request,
    cancellation: Cancellation,
  ): LeasedTransfer | undefined {
    const { kind, name } = source.inspect(machine.native);
    if (kind !== "file") return undefined;
    // What is left may have to be saved when the caller has closed its own descriptor.
    source.keep(machine.native);
    const lease = Lease.take(machine, source.fd ?? -1, name, "read", request.leaseHoldMs);
    return new LeasedTransfer(machine, source, request, cancellation, lease);
  }

  /** After {@link conclude}: a break may be so late that only the release shows it. */
  get broken(): boolean {
    return this.#broken || this.#lease.wasWanted;
  }

  /** Heeds breaks from now on. */
  watch(plan: Plan, run: LeasedRun): void {
    void this.#lease.broken.then((broken) => broken && this.#onBreak(plan, run, broken));
  }

  #onBreak(plan: Plan, run: LeasedRun, { remainingMs }: LeaseBreak): void {
    this.#broken = true;
    const timeLeftMs = stopAfterMs(remainingMs);
    const actions: Readonly<Record<Decision, () => void>> = {
      continue: () => {},
      stop: () => this.#stop(),
      save: () => (this.#saved ??= this.#save(plan, run)),
    };
    const act = (leftMs: number) =>
      actions[decide(this.#request.onLeaseBreak, leftMs, (plan.length ?? Infinity) - run.progress)]();
    this.#timer = setTimeout(act, timeLeftMs, 0);
    act(timeLeftMs);
  }

  #stop(cause?: unknown): void {
    this.#saving.abort();
    this.#cancellation.leaseBroken(cause);
  }

  async #save({ source, offset = 0, length = Infinity }: Plan, run: LeasedRun): Promise<FileHandle | undefined> {
    let copy: FileHandle | undefined;
    try {
      const span = { start: offset + run.progress, end: offset + length };
      copy = await snapshot(this.#machine, this.#source.fd ?? -1, source.name, span, this.#saving.signal, true);
      const handle = copy;
      await run.replaceSource({ fd: handle.fd, read: (max, at) => readSnapshot(handle, max, at) });
      clearTimeout(this.#timer);
      if (!this.#release()) this.#stop();
    } catch (error) {
      this.#stop(error);
    }
    return copy;
  }

  /** Whether it was held until then. */
  #release(): boolean {
    return (this.#letGo ??= this.#lease.release());
  }

  /** What an attempt came to, once the peer has all the bytes that are still the file's. */
  async confirm(plan: Plan, run: LeasedRun, { strategy }: Job, outcome: Outcome): Promise<Outcome> {
    this.#shared ||= outcome.bytes > 0 && handsOver(strategy, plan.source, plan.target);
    if (!this.#shared || (outcome.end !== "done" && outcome.end !== "eof")) return outcome;
    const answer = await this.#acknowledged(run);
    const cancelled = this.#cancellation.outcome(outcome.bytes);
    if (cancelled !== undefined) return { ...outcome, ...cancelled, syscalls: outcome.syscalls };
    return answer < 0 ? { ...outcome, end: "error", errno: -answer, failed: "target" } : outcome;
  }

  /** Looks sparsely, and only as long as nobody has to be let in: a break ends it when its time is up. */
  async #acknowledged(run: LeasedRun): Promise<number> {
    let bytes = run.outstanding;
    for (let wait = 1; bytes > 0 && this.#cancellation.outcome() === undefined; wait *= 2) {
      await this.#cancellation.wait(delay(Math.min(wait, mostBetweenLooksMs)));
      bytes = run.outstanding;
    }
    return bytes;
  }

  /**
   * Lets go after the last byte.
   *
   * @throws TransferError `ERR_SLUICE_LEASE_BROKEN` where the lease had gone before, unseen by a busy event loop
   */
  conclude({ bytes, attempts }: Account, name: string): void {
    if (this.#release()) return;
    throw new TransferError(`Cannot send ${name}: its lease was broken, and gone before the end`, {
      code: "ERR_SLUICE_LEASE_BROKEN",
      failed: "source",
      bytesTransferred: bytes,
      attempts,
    });
  }

  /** Releases everything, however the transfer ended. */
  async end(): Promise<void> {
    clearTimeout(this.#timer);
    this.#release();
    this.#saving.abort();
    await (await this.#saved)?.close();
  }
}
