/** What a transfer did, told honestly. */
import type { CacheMode, Strategy } from "../plan/kernel.ts";

/** One mechanism's share of a transfer. */
export interface Attempt {
  readonly strategy: Strategy;
  /** Bytes that this attempt brought to the target. */
  readonly bytes: number;
  /** Errno name, where the attempt ended with one. */
  readonly code?: string;
  /** Why it was tried and, where it gave way to the next, why. */
  readonly reason: string;
}

/** Whether the CPU copied the bytes on this machine: observed or inherent, never hoped for. */
export type Copied = "no" | "yes" | "unknown";

export interface Report {
  /** Bytes that reached the target. */
  readonly bytes: number;
  /** The mechanism that moved the most of them; undefined when there was nothing to move. */
  readonly strategy: Strategy | undefined;
  readonly attempts: readonly Attempt[];
  readonly copied: Copied;
  /** How the page cache was treated, as asked for. */
  readonly cache: CacheMode;
  /** System calls of the engine; 0 for the portable path, where the runtime makes them. */
  readonly syscalls: number;
  /** How often the transfer waited for an end to become ready. */
  readonly waits: number;
  /** CPU time of the threads that moved the bytes, in nanoseconds; 0 for the portable path. */
  readonly cpuNs: number;
  /** Whether somebody wanted to write or truncate the source while the transfer had a lease on it. */
  readonly leaseBroken: boolean;
  /** Wall-clock time, in nanoseconds. */
  readonly durationNs: number;
}
