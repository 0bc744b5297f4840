/** Runs one uvu file. Its summary is checked against how the process ended, since uvu alone would hide failures. */
import { stripVTControlCharacters } from "node:util";
import { type Ended, runChild } from "../support/child.ts";
import { type FileOutcome, judgeSkips, oddEnd } from "./outcome.ts";
import { readLines } from "../support/protocol.ts";
import { home, type Runtime } from "../support/runtimes.ts";

const summary = /^ {2}Total: +(\d+)\n {2}Passed: +(\d+)\n {2}Skipped: +(\d+)\n/gm;

/** `limitMs` is how long it may do nothing (see patience.ts): uvu writes a dot for every test. */
export async function runPlain(path: string, limitMs: number, runtime: Runtime = home): Promise<FileOutcome> {
  return judgePlain(await runChild([...runtime.command, path], limitMs), runtime);
}

/**
 * uvu exits 0 after a `before` that threw and where `.run()` was forgotten, and it doesn't say how many failed.
 * What it skips has to be named by a `skip` line: a stray `.only` or `.skip` is a failure.
 */
export function judgePlain(ended: Ended, runtime: Runtime): FileOutcome {
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
