/** What suites are given and hand back, and how it is printed. A figure that misses its target is stated, never an error. */
import { tmpdir } from "node:os";
import { table } from "#cli/format.js";
import type { Claim, Figure, ReportEntry, ReportRow, ReportSection } from "../report/schema.ts";
import { type Contest, type Contested, type Point, sizeName } from "./contest.ts";
import { type MetricName, metricOf, type Sample } from "./metrics.ts";
import { orReason } from "./programs.ts";
import { pairedRatio } from "./stats.ts";

export interface Setting {
  /** How often each contender runs. */
  readonly rounds: number;
  /** Whether there is time for all sizes and contenders; otherwise for those that show the most. */
  readonly full?: boolean;
  /** Says what is under way. */
  readonly progress: (text: string) => void;
}

export type Section = ReportSection;
export type Suite = (setting: Setting) => Promise<Section[]>;
export type Row = Omit<ReportRow, "verdict">;
/** A row as far as it is told by its median. */
type Told = Omit<Row, "figure"> & { readonly figure?: Pick<Figure, "median"> };

export function verdict({ figure, target, atLeast, skipped }: Told): ReportRow["verdict"] {
  if (skipped !== undefined) return "SKIP";
  if (figure === undefined || (target === undefined && atLeast === undefined)) return "";
  return figure.median <= (target ?? Infinity) && figure.median >= (atLeast ?? -Infinity) ? "PASS" : "MISS";
}

export const section = (title: string, rows: readonly Row[]): Section => ({
  title,
  rows: rows.map((row) => ({ ...row, verdict: verdict(row) })),
});

export const contestSection = (contest: Contest): Section => ({ title: contest.title, contest });

/** The rows, or one that says what the machine lacks for them. */
export const rowsOrReason = (question: string, measure: () => Promise<Row[]>): Promise<Row[]> =>
  orReason(measure, (skipped) => [{ question, unit: "×", skipped }]);

/** The sections, or one that says what the machine lacks for them. */
export const sectionsOrReason = (title: string, measure: () => Promise<Section[]>): Promise<Section[]> =>
  orReason(measure, (skipped) => [section(title, [{ question: title, unit: "×", skipped }])]);

/** A ratio of two contenders and what it should be. */
export interface Question extends Pick<Row, "target" | "atLeast"> {
  readonly question?: string;
  readonly of: string;
  readonly against: string;
  readonly value: (sample: Sample) => number;
  /** The absolute figures of one of the two. */
  readonly tell: (samples: readonly Sample[], name: string) => string;
}

/** The answer of a contest, or why one of the two was not in it. */
export function ratioRow(
  { contest: { absent }, samples }: Pick<Contested, "samples"> & { readonly contest: Pick<Contest, "absent"> },
  point: Point,
  { of, against, question = `${of} / ${against}`, value, tell, ...limits }: Question,
): Row {
  const row = { question, unit: "×", ...limits };
  const skipped = absent.find(({ name }) => name === of || name === against)?.reason;
  if (skipped !== undefined) return { ...row, skipped };
  const [ours, theirs] = [samples(of, point), samples(against, point)];
  return {
    ...row,
    figure: pairedRatio(ours.map(value), theirs.map(value)),
    detail: `${tell(ours, of)}; ${tell(theirs, against)}`,
  };
}

const places: readonly string[] = [tmpdir(), "/dev/shm"];

/**
 * The same contest on a disk and in memory, and what follows from both of them.
 *
 * @param what is asked, for the row that says what a place lacks
 */
export async function onEachFilesystem(
  what: string,
  measure: (folder: string) => Promise<{ readonly contest?: Contest; readonly rows: readonly Row[] }>,
): Promise<{ readonly contests: readonly Section[]; readonly rows: readonly Row[] }> {
  const contests: Section[] = [];
  const rows: Row[] = [];
  for (const folder of places) {
    const found = await orReason(
      () => measure(folder),
      (skipped) => ({ rows: [{ question: `${what} in ${folder}`, unit: "×", skipped }] }),
    );
    if (found.contest !== undefined) contests.push(contestSection(found.contest));
    rows.push(...found.rows);
  }
  return { contests, rows };
}

const show = (value: number, unit: string) =>
  `${value.toFixed(unit === "fds" || Math.abs(value) >= 100 ? 0 : 2)} ${unit}`;

export function bounds({ unit, target, atLeast }: Told): string {
  const least = atLeast === undefined ? [] : [`≥ ${show(atLeast, unit)}`];
  const most = target === undefined ? [] : [`≤ ${show(target, unit)}`];
  return [...least, ...most].join(", ");
}

export const middle = ({ figure, unit }: Told): string => (figure === undefined ? "" : show(figure.median, unit));

export const quartiles = ({ figure }: Row): string =>
  figure === undefined || figure.count < 2 ? "" : figure.quartiles.map((value) => value.toFixed(2)).join("–");

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

/** A figure for people; empty where there is none. What is too small for its digits is told by two that count. */
export function tellMetric(name: MetricName, figure: Figure | undefined): string {
  if (figure === undefined) return "";
  const text = figure.median.toFixed(metricOf(name).digits);
  return Number(text) === 0 && figure.median > 0 ? String(Number(figure.median.toPrecision(2))) : text;
}

/** "0.95× Node streams; 1.1× C sendfile": CPU beside the best of each role. */
export function tellRatios({ ratios }: Pick<ReportEntry, "ratios">): string {
  const told = (["rival", "limit"] as const).flatMap((role) => {
    const ratio = ratios.find((one) => one.role === role && one.metric === "cpu");
    return ratio === undefined ? [] : [`${ratio.figure.median.toFixed(2)}× ${ratio.against}`];
  });
  return told.join("; ");
}

type Table = NonNullable<ReportSection["table"]>;

const tableOfRows = (rows: readonly ReportRow[]): Table => ({
  head: ["question", "median", "quartiles", "target", "", "from"],
  cells: rows.map((row) => [
    row.question,
    middle(row),
    quartiles(row),
    bounds(row),
    row.verdict,
    row.skipped ?? row.detail ?? "",
  ]),
});

const tableOfContest = ({ entries, absent }: NonNullable<ReportSection["contest"]>): Table => ({
  head: ["", "", ...columns.map(([, head]) => head), "CPU beside the best"],
  cells: [
    ...entries.map((entry) => [
      `${sizeName(entry.bytes)}${entry.cache === "cold" ? " cold" : ""}`,
      entry.contender,
      ...columns.map(([name]) => tellMetric(name, entry.metrics[name])),
      tellRatios(entry),
    ]),
    ...absent.map(({ name, reason }) => ["", name, ...columns.map(() => ""), `absent: ${reason}`]),
  ],
});

const tableOfPaths = (paths: NonNullable<ReportSection["paths"]>): Table => ({
  head: ["", "expected copies", ...(paths[0]?.counted.map(([name]) => name) ?? [])],
  cells: paths.map(({ mechanism, expected, counted }) => [
    mechanism,
    expected.copies,
    ...counted.map(([, value]) => value),
  ]),
});

/** A section as the one table that it is; claims are sentences and have none. */
export function tableOf({ rows, contest, paths, table: plain }: Section): Table | undefined {
  return plain ?? (rows && tableOfRows(rows)) ?? (contest && tableOfContest(contest)) ?? (paths && tableOfPaths(paths));
}

const tellClaims = (claims: readonly Claim[]) =>
  claims.map((one) => `  [${one.verdict}] ${one.claim}\n      ${one.measured}`);

const outputWidth = 200;
/** A longer cell is a sentence, which a rule need not be as long as. */
const longCell = 60;

/** A section for the terminal. */
export function draw(one: Section): string {
  const { title, claims = [], contest } = one;
  const { head, cells } = tableOf(one) ?? { head: [], cells: [] };
  const width = (text: string) => (text.length > longCell ? 4 : text.length);
  const rule = head.map((name, column) =>
    "─".repeat(Math.max(name.length, ...cells.map((row) => width(row[column] ?? "")))),
  );
  const notes = (contest?.notes ?? []).map((note) => `  ${note}`);
  const drawn = head.length === 0 ? [] : [table([head, rule, ...cells], outputWidth)];
  return [title, ...notes, ...tellClaims(claims), ...drawn].join("\n");
}
