/** Runs a contract file: its tests a handful to a process, and one by one where such a process ends oddly. */
import { type Ended, runChild } from "../support/child.ts";
import type { Listed } from "../support/contract.ts";
import type { Limiter } from "../support/limiter.ts";
import { failedVerdict, type Verdict, judgeSkips, oddEnd } from "./verdict.ts";
import { lastBegun, type Line, readLines } from "../support/protocol.ts";
import type { Runtime } from "../support/runtimes.ts";
import { tellCommand } from "../support/self.ts";

interface Result extends Line {
  readonly output: string;
}

/** Most tests that share a process. */
const mostShared = 24;

/** The limit of a process until it comes to its first test (see patience.ts, as for all limits here). */
const startMs = 40_000;

function groups(tests: readonly Listed[]): (readonly Listed[])[] {
  const alone = tests.filter((test) => test.alone).map((test) => [test]);
  const others = tests.filter((test) => !test.alone);
  const together: Listed[][] = [];
  while (others.length > 0) together.push(others.splice(0, mostShared));
  return [...alone, ...together];
}

/** The tests that have ended, in their order: a name with a colon in it can't be told from a reason. */
function readTold({ stdout, output }: Ended, tests: readonly Listed[]): Result[] {
  const lines = readLines(stdout);
  return tests.flatMap(({ name }, index) => {
    const line = lines[index];
    return line === undefined ? [] : [{ ...line, name, output }];
  });
}

/** A process has ended well when it ends by itself, in time, with exit code 0, or a test that failed was its last. */
function oddity(ended: Ended, told: readonly Result[]): string | undefined {
  const last = told.at(-1);
  if (last?.status === "not ok") return undefined;
  return oddEnd(ended) ?? (last === undefined ? "it said nothing" : undefined);
}

function oddResult([test]: readonly Listed[], [line]: readonly Result[], odd: string, { output }: Ended): Result {
  const name = test?.name ?? "";
  return { status: "not ok", name, why: line === undefined ? odd : `${line.status}, then ${odd}`, output };
}

class ContractRun {
  readonly #path: string;
  readonly #runtime: Runtime;
  readonly #limit: Limiter;
  /** How long its processes ran, together. */
  spentMs = 0;

  constructor(path: string, runtime: Runtime, limit: Limiter) {
    this.#path = path;
    this.#runtime = runtime;
    this.#limit = limit;
  }

  async #child(args: readonly string[], timeoutMs: number, renew?: (stdout: string) => number | undefined) {
    const command = [...this.#runtime.command, this.#path, ...args] as const;
    const ended = await this.#limit(() => runChild(command, timeoutMs, tellCommand(this.#runtime), renew));
    this.spentMs += ended.durationMs;
    return ended;
  }

  list(): Promise<Ended> {
    return this.#child(["--list"], startMs);
  }

  /** Runs tests in one process, and what stands behind one that fails in the next. */
  async together(tests: readonly Listed[]): Promise<Result[]> {
    const results: Result[] = [];
    for (let rest = tests; rest.length > 0; rest = tests.slice(results.length)) {
      const ended = await this.#process(rest);
      const told = readTold(ended, rest);
      const odd = oddity(ended, told);
      if (odd === undefined) results.push(...told);
      else if (rest.length === 1) results.push(oddResult(rest, told, odd, ended));
      else return [...results, ...(await this.#findCulprit(rest, odd, ended))];
    }
    return results;
  }

  #process(tests: readonly Listed[]): Promise<Ended> {
    const timeouts = new Map(tests.map(({ name, timeoutMs }) => [name, timeoutMs]));
    let begun: string | undefined;
    const renew = (stdout: string): number | undefined => {
      const last = lastBegun(stdout);
      if (last === begun || last === undefined) return undefined;
      begun = last;
      return timeouts.get(last);
    };
    return this.#child(["--run", ...timeouts.keys()], startMs, renew);
  }

  /** Tests one by one who it was: a timer or an error may come long after the test that left it. */
  async #findCulprit(tests: readonly Listed[], odd: string, { output }: Ended): Promise<Result[]> {
    const results = (await Promise.all(tests.map((test) => this.together([test])))).flat();
    if (results.some(({ status }) => status === "not ok")) return results;
    const name = `"${tests[0]?.name}" to "${tests.at(-1)?.name}"`;
    return [...results, { status: "not ok", name, why: `each passes alone, but together: ${odd}`, output }];
  }
}

/** Asks a file for its tests, and runs those whose names `wanted` picks. */
export async function runContract(
  path: string,
  runtime: Runtime,
  wanted: (name: string) => boolean,
  limit: Limiter,
): Promise<Verdict> {
  const run = new ContractRun(path, runtime, limit);
  const listing = await run.list();
  const odd = oddEnd(listing);
  // A file that registers nothing prints nothing.
  if (odd !== undefined || listing.stdout === "") return failedVerdict(odd ?? "it has no tests", listing);
  const listed: Listed[] = JSON.parse(listing.stdout);
  const chosen = groups(listed.filter(({ name }) => wanted(name)));
  const results = await Promise.all(chosen.map((tests) => run.together(tests)));
  return summarise(results.flat(), runtime, run.spentMs);
}

function summarise(results: readonly Result[], runtime: Runtime, durationMs: number): Verdict {
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
    durationMs,
    output: failed.map(({ output }) => output).join("\n"),
  };
}
