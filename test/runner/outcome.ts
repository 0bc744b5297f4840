/** What the runner learnt from a test file. */
import type { Ended } from "../support/child.ts";
import type { Line } from "../support/protocol.ts";
import type { Runtime } from "../support/runtimes.ts";

export interface Skip {
  readonly name: string;
  readonly reason: string;
}

export interface FileOutcome {
  readonly passed: number;
  readonly failed: number;
  /** What failed: the test's name where it is known, and why. */
  readonly failures: readonly string[];
  readonly skips: readonly Skip[];
  /** How long its processes ran, together. */
  readonly durationMs: number;
  /** What the processes of failed tests printed. */
  readonly output: string;
}

/** The outcome of a file that did not come to its tests. */
export function failedOutcome(why: string, { durationMs = 0, output = "" }: Partial<Ended> = {}): FileOutcome {
  return { passed: 0, failed: 1, failures: [why], skips: [], durationMs, output };
}

/** How a process ended, if not with exit code 0. */
export function oddEnd({ code, signal, hung, durationMs }: Ended): string | undefined {
  if (hung !== undefined) return `killed: still running after ${durationMs} ms: ${hung}`;
  if (signal !== undefined) return `died of ${signal}`;
  return code === 0 ? undefined : `exit code ${code}`;
}

/** A skip is a failure where the runtime is meant to have what was missing. */
export function judgeSkip({ name, need, why }: Line, { name: runtime, has }: Runtime): Skip | { failure: string } {
  if (need !== undefined && has.includes(need))
    return { failure: `${name}: ${runtime} is meant to have "${need}", but: ${why}` };
  return { name, reason: need === undefined ? why : `needs "${need}": ${why}` };
}

/** Sorts skips into those that are in order and those that are failures. */
export function judgeSkips(lines: readonly Line[], runtime: Runtime): Pick<FileOutcome, "failures" | "skips"> {
  const failures: string[] = [];
  const skips: Skip[] = [];
  for (const line of lines) {
    const verdict = judgeSkip(line, runtime);
    if ("failure" in verdict) failures.push(verdict.failure);
    else skips.push(verdict);
  }
  return { failures, skips };
}
