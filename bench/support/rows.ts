/** What suites hand back, and how it is printed. A figure that misses its target is stated, never an error. */
import { Unavailable } from "./helpers.ts";
import type { Figure } from "./stats.ts";
import { drawTable } from "./table.ts";

export type Unit = "×" | "µs" | "ms" | "%" | "fds" | "MiB" | "KiB";

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

export interface Section {
  readonly title: string;
  readonly head: readonly string[];
  readonly cells: readonly (readonly string[])[];
  /** The same for --json. */
  readonly data: unknown;
}

export function verdict({ figure, target, atLeast, skipped }: Row): "PASS" | "MISS" | "SKIP" | "" {
  if (skipped !== undefined) return "SKIP";
  if (figure === undefined || (target === undefined && atLeast === undefined)) return "";
  return figure.median <= (target ?? Infinity) && figure.median >= (atLeast ?? -Infinity) ? "PASS" : "MISS";
}

const show = (value: number, unit: Unit) => `${value.toFixed(unit === "fds" ? 0 : 2)} ${unit}`;

function bounds({ unit, target, atLeast }: Row): string {
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
    data: rows.map((row) => ({ ...row, verdict: verdict(row) })),
  };
}

/** The rows, or one that says what the machine lacks for them. */
export async function rowsOrReason(question: string, measure: () => Promise<Row[]>): Promise<Row[]> {
  return measure().catch((error: unknown) => {
    if (!(error instanceof Unavailable)) throw error;
    return [{ question, unit: "×" as const, skipped: error.message }];
  });
}

const widestCell = 60;

export function draw({ title, head, cells }: Section): string {
  const widths = head.map((_, column) =>
    cells.some((row) => (row[column] ?? "").length > widestCell) ? widestCell : null,
  );
  return `${title}\n${drawTable({ head, widths }, cells)}`;
}
