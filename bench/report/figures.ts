/** The figures that the documents show: kept as data beside their page, a suite at a time, and written between its marks. */
import { readFileSync, writeFileSync } from "node:fs";
import { format } from "oxfmt";
import * as z from "zod";
import { bounds, middle, verdict } from "../support/rows.ts";
import { type BenchReport, list, number, pair, readReport, type ReportRow, row, table, text } from "./schema.ts";

/** Of a figure, what is shown. */
const shownRow = row.omit({ verdict: true }).extend({
  figure: z.object({ median: number, quartiles: pair(number).exactOptional() }).exactOptional(),
});

const suite = z.object({
  name: text,
  /** When, where and how. */
  measured: text,
  sections: list(z.object({ title: text, rows: list(shownRow).exactOptional(), table: table.exactOptional() })),
});

const figures = z.object({ suites: list(suite) });

type ShownRow = z.infer<typeof shownRow>;
type Table = z.infer<typeof table>;
type ShownSuite = z.infer<typeof suite>;
type ShownSection = ShownSuite["sections"][number];
export type Figures = z.infer<typeof figures>;

function measuredOf({ created, version, mode, rounds, environment, noise }: BenchReport): string {
  const { cores, cpu, memoryBytes, kernel, filesystems, versions } = environment;
  return [
    `Measured ${created.slice(0, 10)} with Sluice ${version}, ${mode} mode, ${rounds} ${rounds === 1 ? "round" : "rounds"}`,
    `${cores} × ${cpu}, ${(memoryBytes / 2 ** 30).toFixed(0)} GiB, Linux ${/^[\d.]+/.exec(kernel)?.[0] ?? ""}`,
    filesystems.map(({ folder, type }) => `${folder} on ${type}`).join(", "),
    `Node ${versions["node"]}. ${noise.remark}`,
  ].join("; ");
}

function shown({ question, unit, figure, target, atLeast, detail, skipped }: ReportRow): ShownRow {
  return {
    question,
    unit,
    ...(figure && { figure: { median: figure.median, ...(figure.count > 1 && { quartiles: figure.quartiles }) } }),
    ...(target !== undefined && { target }),
    ...(atLeast !== undefined && { atLeast }),
    ...(detail !== undefined && { detail }),
    ...(skipped !== undefined && { skipped }),
  };
}

/** Contests and claims are for the page that a report makes of itself. */
export const figuresOf = (report: BenchReport): Figures => ({
  suites: report.suites.flatMap(({ name, sections }) => {
    const tables = sections.flatMap(({ title, rows, table: plain }): ShownSection[] => {
      if (rows !== undefined) return [{ title, rows: rows.map(shown) }];
      return plain === undefined ? [] : [{ title, table: plain }];
    });
    return tables.length === 0 ? [] : [{ name, measured: measuredOf(report), sections: tables }];
  }),
});

/** Suites that were measured anew take the place of those before them. */
export function renewed(old: Figures, fresh: Figures): Figures {
  const names = new Map(fresh.suites.map((one) => [one.name, one]));
  const kept = old.suites.map((one) => names.get(one.name) ?? one);
  return { suites: [...kept, ...fresh.suites.filter(({ name }) => !old.suites.some((one) => one.name === name))] };
}

const columns: Readonly<Record<string, (one: ShownRow) => string>> = {
  question: ({ question }) => question,
  median: middle,
  quartiles: ({ figure: told }) => told?.quartiles?.map((value) => value.toFixed(2)).join("–") ?? "",
  target: bounds,
  "": verdict,
  from: ({ skipped, detail = "" }) => skipped ?? detail,
};

/** Without columns that are empty in all rows. */
function tableOf(rows: readonly ShownRow[]): Table {
  const used = Object.entries(columns).filter(([, cell]) => rows.some((one) => cell(one) !== ""));
  return { head: used.map(([name]) => name), cells: rows.map((one) => used.map(([, cell]) => cell(one))) };
}

function markdown({ head, cells }: Table): string {
  const line = (one: readonly string[]) => `| ${one.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...cells.map(line)].join("\n");
}

const blockOf = ({ measured, sections }: ShownSuite): string =>
  [
    measured,
    ...sections.flatMap(({ title, rows = [], table: plain = tableOf(rows) }) => [`**${title}**`, markdown(plain)]),
  ].join("\n\n");

/**
 * The page with all figures between its marks.
 *
 * @throws Error for a suite that the page has no marks for
 */
export async function writtenInto(page: string, { suites }: Figures): Promise<string> {
  let written = page;
  for (const one of suites) {
    const [begin, end] = [`<!-- figures: ${one.name} -->`, "<!-- /figures -->"];
    const [before, rest, ...others] = written.split(begin);
    const at = rest?.indexOf(end) ?? -1;
    if (rest === undefined || at < 0 || others.length > 0)
      throw new Error(`the page has no one place for figures of ${one.name}: ${begin} … ${end}`);
    written = `${before}${begin}\n\n${blockOf(one)}\n\n${rest.slice(at)}`;
  }
  return formatted("page.md", written, 120);
}

async function formatted(name: string, source: string, printWidth: number): Promise<string> {
  const { code, errors } = await format(name, source, { printWidth });
  if (errors[0] !== undefined) throw new Error(`${name} can't be formatted: ${errors[0].message}`);
  return code;
}

const packageFolder = new URL("../../../", import.meta.url);
export const page = new URL("docs/performance.md", packageFolder);
export const data = new URL("docs/figures.json", packageFolder);

export const readFigures = (): Figures => figures.parse(JSON.parse(readFileSync(data, "utf8")));

/** Takes the figures of a report into the documents; without one, writes those that are there once more. */
export async function writeFigures(report?: string): Promise<void> {
  const old = readFigures();
  const now = report === undefined ? old : renewed(old, figuresOf(readReport(readFileSync(report, "utf8"), report)));
  // Before anything is written: a suite may have no place.
  const written = await writtenInto(readFileSync(page, "utf8"), now);
  // A row a line.
  writeFileSync(data, await formatted("figures.json", JSON.stringify(now), 320));
  writeFileSync(page, written);
}
