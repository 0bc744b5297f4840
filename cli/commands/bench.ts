/** `sluice bench [SUITES…]` */
import { existsSync } from "node:fs";
import process from "node:process";
import { Command, InvalidArgumentError } from "commander";
import { describeFailure, exitCodes } from "../exit.ts";
import { print, tell } from "../screen.ts";

/** What dist/bench/main.js exports. It is loaded when it is wanted, and never imported: adapters know no bench. */
interface Bench {
  readonly suiteNames: readonly string[];
  readonly schema: unknown;
  readonly bench: (options: unknown) => Promise<{ readonly worse: number; readonly failures: readonly string[] }>;
}

interface BenchFlags {
  readonly full?: boolean;
  readonly rounds?: number;
  readonly json?: boolean;
  readonly output?: string;
  readonly html?: string;
  readonly compare?: string;
  readonly from?: string;
  readonly list?: boolean;
  readonly schema?: boolean;
}

/** Its contenders are development dependencies, C programs and other servers: an installed package has none of them. */
async function load(packageFolder: URL): Promise<Bench> {
  const compiled = new URL("dist/bench/main.js", packageFolder);
  if (!existsSync(compiled))
    throw new Error(
      "the benchmark needs Sluice's repository, with its contenders: in a clone, npm ci and npm run bench",
    );
  return (await import(compiled.href)) as Bench;
}

/** @param packageFolder where package.json is */
export const benchCommand = (version: string, packageFolder: URL): Command =>
  new Command("bench")
    .description("measure this machine: Sluice beside the best that is installed here, and a tight C loop")
    .argument("[suites...]", "which ones (default: all; see --list)")
    .option("--full", "all sizes and contenders, which takes several times as long")
    .option("--rounds <number>", "how often each contender runs (default: 3, with --full 7)", parseRounds)
    .option("--output <file>", "write the report as JSON")
    .option("--html <file>", "write the report as a page; needs @observablehq/plot and linkedom")
    .option("--compare <file>", "say what is worse than in this report of an earlier run (exit code 1 if anything is)")
    .option("--from <file>", "show this report instead of measuring")
    .option("--list", "print the names of the suites")
    .option("--schema", "print the JSON Schema of reports")
    .option("--json", "print the report as JSON, and nothing else on stdout")
    .action(async (suites: readonly string[], flags: BenchFlags) => {
      try {
        const { suiteNames, schema, bench } = await load(packageFolder);
        if (flags.list === true) return print(suiteNames.join("\n"));
        if (flags.schema === true) return print(JSON.stringify(schema, null, 2));
        const { full = false, json = false, rounds, output, html, compare, from } = flags;
        const { worse, failures } = await bench({ suites, full, json, rounds, output, html, compare, from, version });
        for (const failure of failures) tell(`sluice: ${failure}`);
        if (worse > 0 || failures.length > 0) process.exitCode = exitCodes.failed;
      } catch (error) {
        tell(`sluice: ${describeFailure("measure", error).message}`);
        process.exitCode = exitCodes.failed;
      }
    });

function parseRounds(text: string): number {
  const rounds = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(rounds >= 1 && rounds <= 1000)) throw new InvalidArgumentError("Rounds are a number from 1 to 1000.");
  return rounds;
}
