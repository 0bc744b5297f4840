/** What suites hand back, and how it is printed. A figure that misses its target is stated, never an error. */
import { table } from "#cli/format.js";
import { type Contest, type Entry, sizeName } from "./contest.ts";
import { Unavailable } from "./helpers.ts";
import { type MetricName, metricOf } from "./metrics.ts";
import type { Figure } from "./stats.ts";

export type Unit = "×" | "µs" | "ms" | "%" | "fds" | "MiB" | "KiB" | (string & {});

/** One question with its answer. */
export interface Row {
  readonly question: string;
  readonly unit: Unit;
  readonly figure?: Figure;
  /** Most that the median should be. */
  readonly target?: number;
  /** Least that the median should be. */
  readonly atLeast?: number;
  /** The absolute figures behind it. */
  readonly detail?: string;
  /** Why there is no figure on this machine. */
  readonly skipped?: string;
}

/** A sentence of an article beside what this kernel does. */
export interface Claim {
  readonly article: string;
  /** In our words. */
  readonly claim: string;
  readonly experiment: string;
  readonly measured: string;
  readonly verdict: "holds" | "holds in part" | "out of date" | "wrong" | "not testable here";
  /** What follows from it, or why the article says otherwise. */
  readonly comment?: string;
}

/** How one mechanism moves a file to a socket: what is said of it, drawn, and what was counted. */
export interface PathFinding {
  readonly mechanism: string;
  readonly drawing: string;
  readonly expected: { readonly copies: string; readonly switchesPerRound: number };
  /** By name, in the order in which they are to be shown. */
  readonly counted: readonly (readonly [string, string])[];
}

export interface Section {
  readonly title: string;
  readonly head: readonly string[];
  readonly cells: readonly (readonly string[])[];
  /** The same for machines, where it is neither rows nor a contest. */
  readonly data?: unknown;
  readonly rows?: readonly Row[];
  readonly contest?: Contest;
  readonly claims?: readonly Claim[];
  readonly paths?: readonly PathFinding[];
}

export type Verdict = "PASS" | "MISS" | "SKIP" | "";

export function verdict({ figure, target, atLeast, skipped }: Row): Verdict {
  if (skipped !== undefined) return "SKIP";
  if (figure === undefined || (target === undefined && atLeast === undefined)) return "";
  return figure.median <= (target ?? Infinity) && figure.median >= (atLeast ?? -Infinity) ? "PASS" : "MISS";
}

const show = (value: number, unit: Unit) => `${value.toFixed(unit === "fds" ? 0 : 2)} ${unit}`;

export function bounds({ unit, target, atLeast }: Row): string {
  const least = atLeast === undefined ? [] : [`≥ ${show(atLeast, unit)}`];
  const most = target === undefined ? [] : [`≤ ${show(target, unit)}`];
  return [...least, ...most].join(", ");
}

function cellsOf(row: Row): string[] {
  const { question, unit, figure, detail, skipped } = row;
  return [
    question,
    figure === undefined ? "" : show(figure.median, unit),
    figure === undefined || figure.count < 2 ? "" : figure.quartiles.map((value) => value.toFixed(2)).join("–"),
    bounds(row),
    verdict(row),
    skipped ?? detail ?? "",
  ];
}

export function section(title: string, rows: readonly Row[]): Section {
  return {
    title,
    head: ["question", "median", "quartiles", "target", "", "from"],
    cells: rows.map(cellsOf),
    rows,
  };
}

/** The rows, or one that says what the machine lacks for them. */
export async function rowsOrReason(question: string, measure: () => Promise<Row[]>): Promise<Row[]> {
  return measure().catch((error: unknown) => {
    if (!(error instanceof Unavailable)) throw error;
    return [{ question, unit: "×" as const, skipped: error.message }];
  });
}

/** The section, or one that says what the machine lacks for it. */
export async function sectionOrReason(title: string, measure: () => Promise<Section>): Promise<Section> {
  return measure().catch((error: unknown) => {
    if (!(error instanceof Unavailable)) throw error;
    return section(title, [{ question: title, unit: "×", skipped: error.message }]);
  });
}

const columns: readonly (readonly [MetricName, string])[] = [
  ["throughput", "GB/s"],
  ["latency", "µs"],
  ["cpu", "CPU s/GB"],
  ["mainCpu", "main"],
  ["syscalls", "calls/GB"],
  ["voluntary", "vol/GB"],
  ["involuntary", "invol/GB"],
  ["delay", "loop ms"],
  ["rss", "RSS MiB"],
];

/** A figure for people; empty where nobody told. What is too small for its digits is told by two that count. */
export function tellMetric(name: MetricName, figure: Figure | undefined): string {
  if (figure === undefined) return "";
  const text = figure.median.toFixed(metricOf(name).digits);
  return Number(text) === 0 && figure.median > 0 ? String(Number(figure.median.toPrecision(2))) : text;
}

/** "0.95× C sendfile loop": CPU beside the best of a role. */
export function tellRatio({ ratios }: Entry, role: "rival" | "limit", metric: MetricName = "cpu"): string {
  const ratio = ratios.find((one) => one.role === role && one.metric === metric);
  return ratio === undefined ? "" : `${ratio.figure.median.toFixed(2)}× ${ratio.against}`;
}

export function contestSection(contest: Contest): Section {
  const cells = contest.entries.map((entry) => [
    `${sizeName(entry.bytes)}${entry.cache === "cold" ? " cold" : ""}`,
    entry.contender,
    ...columns.map(([name]) => tellMetric(name, entry.metrics[name])),
    [tellRatio(entry, "rival"), tellRatio(entry, "limit")].filter(Boolean).join("; "),
  ]);
  const absent = contest.absent.map(({ name, reason }) => ["", name, ...columns.map(() => ""), `absent: ${reason}`]);
  return {
    title: contest.title,
    head: ["", "", ...columns.map(([, head]) => head), "CPU beside the best"],
    cells: [...cells, ...absent],
    contest,
  };
}

export function claimsSection(title: string, claims: readonly Claim[]): Section {
  return {
    title,
    head: ["verdict", "claim", "measured"],
    cells: claims.map(({ claim, measured, verdict: word }) => [word, claim, measured]),
    claims,
  };
}

const outputWidth = 200;

export function draw({ title, head, cells, claims, contest }: Section): string {
  // Sentences are no columns.
  if (claims !== undefined)
    return [title, ...claims.map((one) => `  [${one.verdict}] ${one.claim}\n      ${one.measured}`)].join("\n");
  const notes = (contest?.notes ?? []).map((note) => `\n  ${note}`).join("");
  const rule = head.map((name, column) =>
    "─".repeat(
      Math.max(name.length, ...cells.map((row) => ((row[column] ?? "").length > 60 ? 4 : (row[column] ?? "").length))),
    ),
  );
  return `${title}${notes}\n${table([head, rule, ...cells], outputWidth)}`;
}
