/** What a transfer asks of a guard of its source, which is a lease: see lease/leased.ts. */
import type { Job, Outcome } from "../../core/plan/kernel.ts";
import type { Plan } from "../../core/plan/select.ts";
import type { Account } from "../../core/transfer/transfer.ts";

/** What a transfer can read on from, at the same offsets. */
export interface Replacement {
  readonly fd: number;
  read(max: number, offset: number): Promise<Uint8Array | undefined>;
}

/** The part of a transfer's runner that its guard has to do with. */
export interface GuardedRun {
  readonly progress: number;
  /** Bytes that the target has taken and its peer has not, or a negative errno. */
  readonly outstanding: number;
  /** Resolves when the source is read no more. */
  replaceSource(replacement: Replacement): Promise<void>;
}

export interface Guard {
  /** Whether somebody wanted to change the source. After {@link conclude}. */
  readonly broken: boolean;
  /** Acts on what becomes known from now on. */
  watch(plan: Plan, run: GuardedRun): void;
  /** What an attempt came to, once the peer has all the bytes that are still the source's. */
  confirm(plan: Plan, run: GuardedRun, job: Job, outcome: Outcome): Promise<Outcome>;
  /** Gives the source up after the last byte. @throws TransferError where it was not guarded until then */
  conclude(account: Account, name: string): void;
  /** Releases everything, however the transfer ended. */
  end(): Promise<void>;
}
