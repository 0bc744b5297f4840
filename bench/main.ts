/** `sluice bench`, and `npm run bench`: ratios from one run, the contenders taking turns. The command line calls `bench`. */
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { buildReport } from "./report/build.ts";
import { compareReports, type Comparison, tellComparison } from "./report/compare.ts";
import { type BenchReport, jsonSchema, readReport } from "./report/schema.ts";
import { articles } from "./suites/articles.ts";
import { concurrent, endurance, smallBody } from "./suites/bodies.ts";
import { copy } from "./suites/copy.ts";
import { costCurve } from "./suites/cost-curve.ts";
import { cost } from "./suites/cost.ts";
import { http, httpSlowClients } from "./suites/http.ts";
import { ipc } from "./suites/ipc.ts";
import { map } from "./suites/map.ts";
import { memory } from "./suites/memory.ts";
import { messageBodies } from "./suites/message-bodies.ts";
import { proxy } from "./suites/proxy.ts";
import { answers, runtimes } from "./suites/runtimes.ts";
import { scale } from "./suites/scale.ts";
import { tries } from "./suites/tries.ts";
import { wasi } from "./suites/wasi.ts";
import { describeEnvironment, environment, load, stolenShare, ticks } from "./support/environment.ts";
import { draw, type Section, type Suite } from "./support/rows.ts";

const suites: Readonly<Record<string, readonly Suite[]>> = {
  "file-to-socket": [costCurve, concurrent, smallBody, endurance],
  copy: [copy],
  cost: [cost],
  map: [map],
  proxy: [proxy],
  bodies: [messageBodies],
  memory: [memory],
  runtimes: [runtimes, answers],
  scale: [scale],
  http: [http, httpSlowClients],
  ipc: [ipc],
  wasi: [wasi],
  tries: [tries],
  articles: [articles],
};

/** What the command line asks for. */
export interface BenchOptions {
  /** Empty: all of them. */
  readonly suites: readonly string[];
  readonly full: boolean;
  readonly rounds: number | undefined;
  /** Print the report as JSON instead of tables. */
  readonly json: boolean;
  /** Files to write, and to compare with. */
  readonly output: string | undefined;
  readonly html: string | undefined;
  readonly compare: string | undefined;
  /** A report to show instead of measuring. */
  readonly from: string | undefined;
  /** The package's. */
  readonly version: string;
}

/** How it ended. */
export interface BenchOutcome {
  readonly worse: number;
  /** Of suites that didn't get to their end. */
  readonly failures: readonly string[];
}

export const suiteNames: readonly string[] = Object.keys(suites);

export const schema = jsonSchema;

/** The figures of the documents; the formatter is loaded when it is wanted. */
export const writeFigures = async (report?: string): Promise<void> =>
  (await import("./report/figures.ts")).writeFigures(report);

const quickRounds = 3;
const fullRounds = 7;

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

async function measure({ suites: wanted, full, rounds, json, version }: BenchOptions): Promise<BenchReport> {
  const setting = { rounds: rounds ?? (full ? fullRounds : quickRounds), full, progress };
  const where = await environment();
  if (!json) console.log(`${describeEnvironment(where)}\n`);
  const [created, loadAtStart, before] = [new Date(), load(), ticks()];
  const failures: string[] = [];
  const results: Record<string, Section[]> = {};
  for (const name of wanted.length > 0 ? wanted : suiteNames)
    for (const suite of suites[name] ?? []) {
      // What others have measured for minutes is not thrown away with it.
      const sections = await suite(setting).catch((error: unknown): Section[] => {
        failures.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
        return [];
      });
      progress("");
      results[name] = [...(results[name] ?? []), ...sections];
      if (!json) for (const part of sections) console.log(`${draw(part)}\n`);
    }
  return buildReport({
    version,
    mode: full ? "full" : "quick",
    rounds: setting.rounds,
    created,
    durationS: Math.round((Date.now() - created.getTime()) / 1000),
    environment: where,
    observed: { loadAtStart, loadAtEnd: load(), stolen: stolenShare(before, ticks()), cores: where.cores },
    suites: results,
    failures,
  });
}

/** The plots are by a library that the package doesn't bring along: most who install it never want a page. */
async function loadPage(): Promise<typeof import("./report/page.ts")> {
  return import("./report/page.ts").catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== "ERR_MODULE_NOT_FOUND") throw cause;
    const packages = "@observablehq/plot linkedom";
    throw new Error(`the page needs ${packages}, which are not installed: npm install --save-dev ${packages}`, {
      cause,
    });
  });
}

const read = (file: string) => readReport(readFileSync(file, "utf8"), file);

/**
 * Runs suites, or takes a report of an earlier run, and shows it in every way that was asked for.
 *
 * @returns how many figures are worse than those compared with, beyond the noise, and which suites failed
 * @throws Error for a suite that isn't there, or a file that is no report
 */
export async function bench(options: BenchOptions): Promise<BenchOutcome> {
  const unknown = options.suites.find((name) => !Object.hasOwn(suites, name));
  if (unknown !== undefined) throw new Error(`there is no suite ${unknown}: there are ${suiteNames.join(", ")}`);
  // What can't be read is known before minutes are spent.
  const old = options.compare === undefined ? undefined : read(options.compare);
  const page = options.html === undefined ? undefined : await loadPage();
  const report = options.from === undefined ? await measure(options) : read(options.from);
  const comparison: Comparison | undefined = old === undefined ? undefined : compareReports(old, report);
  const text = `${JSON.stringify(report, null, 2)}\n`;
  if (options.output !== undefined) writeFileSync(options.output, text);
  if (page !== undefined && options.html !== undefined)
    writeFileSync(options.html, page.renderPage(report, comparison));
  if (options.json) process.stdout.write(text);
  else {
    if (options.from === undefined) console.log(report.noise.remark);
    if (comparison !== undefined) console.log(tellComparison(comparison));
  }
  return {
    worse: comparison?.changes.filter(({ judgement }) => judgement === "worse").length ?? 0,
    failures: report.failures ?? [],
  };
}
