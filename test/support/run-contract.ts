/** Runs a contract file: each of its tests in a process of its own. */
import { runChild } from "./child.ts";
import type { Listed } from "./contract.ts";
import type { Limiter } from "./limiter.ts";
import { failedOutcome, type FileOutcome, judgeSkips, oddEnd } from "./outcome.ts";
import { type Line, readLines } from "./protocol.ts";
import type { Runtime } from "./runtimes.ts";
import { tellCommand } from "./self.ts";

interface Result extends Line {
  readonly output: string;
  readonly durationMs: number;
}

/** Asks a file for its tests, and runs those whose names `wanted` picks. */
export async function runContract(
  path: string,
  runtime: Runtime,
  wanted: (name: string) => boolean,
  limit: Limiter,
): Promise<FileOutcome> {
  const listing = await limit(() => runChild([...runtime.command, path, "--list"], 20_000));
  const odd = oddEnd(listing);
  // A file that registers nothing prints nothing.
  if (odd !== undefined || listing.stdout === "") return failedOutcome(odd ?? "it has no tests", listing);
  const listed: Listed[] = JSON.parse(listing.stdout);
  const chosen = listed.filter(({ name }) => wanted(name));
  return summarise(await Promise.all(chosen.map((test) => limit(() => runOne(path, runtime, test)))), runtime);
}

/** A test has passed when its process says so and ends by itself, in time, with exit code 0. */
async function runOne(path: string, runtime: Runtime, { name, timeoutMs }: Listed): Promise<Result> {
  const ended = await runChild([...runtime.command, path, "--only", name], timeoutMs, tellCommand(runtime));
  const { output, durationMs } = ended;
  const line = readLines(ended.stdout).at(-1);
  const odd = oddEnd(ended);
  if (line === undefined) return { status: "not ok", name, why: odd ?? "it said nothing", output, durationMs };
  if (odd !== undefined && line.status !== "not ok")
    return { status: "not ok", name, why: `${line.status}, then ${odd}`, output, durationMs };
  return { ...line, name, output, durationMs };
}

function summarise(results: readonly Result[], runtime: Runtime): FileOutcome {
  const failed = results.filter(({ status }) => status === "not ok");
  const { failures, skips } = judgeSkips(
    results.filter(({ status }) => status === "skip"),
    runtime,
  );
  return {
    passed: results.filter(({ status }) => status === "ok").length,
    failed: failed.length + failures.length,
    failures: [...failed.map(({ name, why }) => `${name}: ${why}`), ...failures],
    skips,
    durationMs: results.reduce((total, { durationMs }) => total + durationMs, 0),
    output: failed.map(({ output }) => output).join("\n"),
  };
}
