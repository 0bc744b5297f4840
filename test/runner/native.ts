/** Runs the engine's own tests: one program that prints a line a test and its sums at the end. */
import { runChild } from "../support/child.ts";
import { type FileOutcome, judgeSkips, oddEnd } from "./outcome.ts";
import { readLines } from "../support/protocol.ts";
import { home } from "../support/runtimes.ts";

const sums = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/;

/** `limitMs` is how long it may do nothing (see patience.ts); each test in it has a limit of its own. */
export async function runNative(path: string, limitMs: number): Promise<FileOutcome> {
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
