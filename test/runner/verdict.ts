/** Runs plain files of tests, and says what the runner learnt from one, whatever its kind. */
import { stripVTControlCharacters } from "node:util";
import { type Ended, runChild } from "../support/child.ts";
import { type Line, readLines } from "../support/protocol.ts";
import { home, type Runtime } from "../support/runtimes.ts";

export interface Skip {
  readonly name: string;
  readonly reason: string;
}

export interface Verdict {
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
export function failedVerdict(why: string, { durationMs = 0, output = "" }: Partial<Ended> = {}): Verdict {
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
export function judgeSkips(lines: readonly Line[], runtime: Runtime): Pick<Verdict, "failures" | "skips"> {
  const failures: string[] = [];
  const skips: Skip[] = [];
  for (const line of lines) {
    const verdict = judgeSkip(line, runtime);
    if ("failure" in verdict) failures.push(verdict.failure);
    else skips.push(verdict);
  }
  return { failures, skips };
}

const summary = /^ {2}Total: +(\d+)\n {2}Passed: +(\d+)\n {2}Skipped: +(\d+)\n/gm;

/**
 * Runs a uvu file. Its summary is checked against how the process ended, since uvu alone would hide failures. `limitMs` is how long it may
 * do nothing (see patience.ts): uvu writes a dot for every test.
 */
export async function runPlain(path: string, limitMs: number, runtime: Runtime = home): Promise<Verdict> {
  return judgePlain(await runChild([...runtime.command, path], limitMs), runtime);
}

/**
 * uvu exits 0 after a `before` that threw and where `.run()` was forgotten, and it doesn't say how many failed.
 * What it skips has to be named by a `skip` line: a stray `.only` or `.skip` is a failure.
 */
export function judgePlain(ended: Ended, runtime: Runtime): Verdict {
  const found = [...stripVTControlCharacters(ended.stdout).matchAll(summary)].at(-1);
  const [total = 0, passed = 0, skipped = 0] = (found ?? []).slice(1).map(Number);
  const skipLines = readLines(ended.stdout).filter(({ status }) => status === "skip");
  const { failures: bad, skips } = judgeSkips(skipLines, runtime);
  const failures = [...bad];
  const odd = oddEnd(ended);
  if (found === undefined) failures.push(odd ?? "there is no summary: is .run() missing?");
  else if (total + skipped === 0) failures.push("it has no tests");
  if (skipped !== skipLines.length)
    failures.push(`${skipped} tests skipped, ${skipLines.length} of them with a reason`);
  if (found !== undefined && odd !== undefined && passed === total) failures.push(odd);
  const failed = total - passed + failures.length;
  if (passed < total) failures.push(`${total - passed} of ${total} tests failed`);
  const { durationMs } = ended;
  return { passed, failed, failures, skips, durationMs, output: failed > 0 ? ended.output : "" };
}

const sums = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/;

/**
 * Runs the engine's own tests: one program that prints a line a test and its sums at the end. `limitMs` is how long it may do
 * nothing (see patience.ts); each test in it has a limit of its own.
 */
export async function runNative(path: string, limitMs: number): Promise<Verdict> {
  const ended = await runChild([...home.command, path], limitMs);
  const lines = readLines(ended.stdout);
  const of = (status: string) => lines.filter((line) => line.status === status);
  const failures = of("not ok").map(({ name, why }) => `${name}: ${why}`);
  const odd = oddEnd(ended);
  const [, ...said] = sums.exec(ended.stdout.trimEnd().split("\n").at(-1) ?? "") ?? [];
  const counted = [of("ok"), of("not ok"), of("skip")].map(({ length }) => length);
  if (lines.length === 0) failures.push("it has no tests");
  if (said.map((sum) => Number(sum ?? 0)).join() !== counted.join())
    failures.push(`its last line doesn't agree with its lines: passed, failed, skipped are ${counted.join(", ")}`);
  if (odd !== undefined && (ended.timedOut || failures.length === 0)) failures.push(odd);
  const { failures: bad, skips } = judgeSkips(of("skip"), home);
  failures.push(...bad);
  return {
    passed: of("ok").length,
    failed: failures.length,
    failures,
    skips,
    durationMs: ended.durationMs,
    output: failures.length > 0 ? ended.output : "",
  };
}
