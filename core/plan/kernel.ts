/**
 * The port between deciding and doing. Core yields a {@link Job} and is given an {@link Outcome};
 * an adapter is whatever stands in between, be it the native engine, the runtime's own streams or a
 * scripted fake.
 */
import type { NativeStrategy } from "../abi/abi.ts";
import type { Copied } from "../transfer/report.ts";

/** A mechanism by its own name. `portable` is the runtime's ordinary API. */
export type Strategy = NativeStrategy | "portable";

/** How a transfer treats the page cache. */
export type CacheMode = "normal" | "direct" | "dontcache";

/** One attempt: one mechanism over one byte range. */
export interface Job {
  readonly strategy: Strategy;
  /** Bytes from the start of the source; undefined where a source has no positions (sockets, pipes). */
  readonly offset: number | undefined;
  /** Bytes wanted; undefined is "until the source ends". */
  readonly length: number | undefined;
  /** Bytes from the start of the target; undefined is the target's own position. */
  readonly targetOffset: number | undefined;
  /** Whether the body is small enough for one attempt on the calling thread that never waits. */
  readonly inline: boolean;
  /** "dontcache": the engine drops from the page cache what the attempt brought into it. */
  readonly cache: CacheMode;
  /** Whether holes of the source stay holes: between files, the target being new and empty. They count as bytes. */
  readonly keepsHoles?: boolean | undefined;
  /** Whether another mechanism follows where this one gives way. */
  readonly givesWay: boolean;
}

/** What became of a {@link Job}. Falling back is a value, never an exception. */
export interface Outcome {
  /** Bytes that reached the target, whatever the end. */
  readonly bytes: number;
  /** Bytes taken from a source without positions that did not reach the target: lost to the caller. */
  readonly stranded: number;
  readonly end: "done" | "eof" | "cancelled" | "error";
  /** Positive errno number when `end` is "error", else 0. */
  readonly errno: number;
  /** Which end the error is about, where that is known. */
  readonly failed?: "source" | "target" | undefined;
  /** Which end's object was closed, where that is what cancelled the attempt; `cause` says by what, if by an error. */
  readonly closed?: "source" | "target" | undefined;
  /** Whether somebody wants the source, which was leased, where that is what cancelled the attempt. */
  readonly leaseBroken?: boolean | undefined;
  /** What the kernel itself says about copies, where it says something. */
  readonly copied?: Copied | undefined;
  /** Whether nothing was tried, for no thread could be had for it. */
  readonly unstaffed?: boolean | undefined;
  /** Sends from memory that the kernel still refers to, though the attempt is over. */
  readonly held?: number | undefined;
  /** What the runtime threw, where the attempt ran through its API. */
  readonly cause?: unknown;
  readonly syscalls: number;
  /** How often the attempt had to wait for an end to become ready. */
  readonly waits: number;
  /** CPU time of the threads that moved the bytes, in nanoseconds; 0 where it can't be told apart. */
  readonly cpuNs: number;
}

/** An outcome that moved nothing. */
export const nothing: Outcome = { bytes: 0, stranded: 0, end: "done", errno: 0, syscalls: 0, waits: 0, cpuNs: 0 };

/** Runs one attempt between two ends that it holds. A plain answer means that nothing had to wait. */
export type Run = (job: Job) => Outcome | Promise<Outcome>;
