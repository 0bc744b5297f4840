/** The contest as a table and as one sentence. */
import Table, { type Cell, type HorizontalAlignment } from "cli-table3";
import type { Mechanism } from "../subjects/sending.ts";
import type { Result } from "./contest.ts";

export interface DemoRow {
  readonly mechanism: Mechanism;
  readonly result?: Result;
  /** What went wrong: the demo fails. */
  readonly failure?: string;
  /** What this machine lacks: the row is there to say so. */
  readonly unavailable?: string;
  /** As the literature counts them: CPU copies of each byte, mode switches of each round. */
  readonly expected: { readonly copies: string; readonly switches: number };
}

export const title: Readonly<Record<Mechanism, string>> = {
  streams: "JavaScript streams",
  portable: "transfer(), portable",
  auto: "transfer()",
  buffered: "buffered",
  mapped: "mapped",
  splice: "splice",
  sendfile: "sendfile",
};

const count = (value: number) => Math.round(value).toLocaleString("en-US");
const orUnknown = (value: number | undefined, show: (value: number) => string) =>
  value === undefined ? "unknown" : show(value);

interface Column {
  readonly head: string;
  readonly cell: (result: Result) => string;
}

const columns: readonly Column[] = [
  { head: "GB/s", cell: ({ bytesPerSecond }) => (bytesPerSecond / 1e9).toFixed(2) },
  { head: "CPU s\nper GB", cell: ({ cpuSecondsPerGB }) => cpuSecondsPerGB.toFixed(3) },
  { head: "system\ncalls", cell: ({ systemCalls }) => orUnknown(systemCalls, count) },
  { head: "context\nswitches", cell: ({ contextSwitches }) => count(contextSwitches) },
  {
    head: "CPU on main\nthread",
    cell: ({ mainThreadShare }) => orUnknown(mainThreadShare, (share) => `${(share * 100).toFixed(1)} %`),
  },
  { head: "worst loop\ndelay", cell: ({ worstDelayMs }) => `${worstDelayMs.toFixed(1)} ms` },
  { head: "sha256", cell: () => "ok" },
];

/** Why a row has no figures goes below the table, once for all the rows that it is true of. */
function drawRows(rows: readonly DemoRow[]): string {
  const layout = {
    head: ["sent by", ...columns.map(({ head }) => head), "expected\nCPU copies", "switches\na round"],
    align: ["left", ...columns.map(() => "right" as const), "left", "right"] as const,
    widths: [null, ...columns.map(() => null), 18, null],
  };
  const notes = [...new Set(rows.flatMap(({ failure, unavailable }) => failure ?? unavailable ?? []))];
  const without = ({ failure, unavailable }: DemoRow) => ({
    colSpan: columns.length,
    hAlign: "left" as const,
    content: `${failure === undefined ? "not here" : "FAILED"} (${notes.indexOf(failure ?? unavailable ?? "") + 1})`,
  });
  const figuresOf = (row: DemoRow) => {
    const { result } = row;
    return result === undefined ? [without(row)] : columns.map(({ cell }) => cell(result));
  };
  const cells = rows.map((row) => [
    title[row.mechanism],
    ...figuresOf(row),
    row.expected.copies,
    row.expected.switches,
  ]);
  return [drawTable(layout, cells), ...notes.map((note, index) => `(${index + 1}) ${note}`)].join("\n");
}

/** What was best, by CPU time for each byte, and by how much. */
export function conclude(rows: readonly DemoRow[]): string {
  const measured = rows.flatMap(({ mechanism, result }) => (result === undefined ? [] : [{ mechanism, ...result }]));
  const cheapest = (field: typeof measured) => {
    const least = Math.min(...field.map(({ cpuSecondsPerGB }) => cpuSecondsPerGB));
    return field.find(({ cpuSecondsPerGB }) => cpuSecondsPerGB === least);
  };
  const best = cheapest(measured);
  if (best === undefined) return "Nothing could be measured.";
  const others = measured.filter((one) => one !== best);
  const rival = others.find(({ mechanism }) => mechanism === "streams") ?? cheapest(others);
  const cost = `${title[best.mechanism]} was best, with ${best.cpuSecondsPerGB.toFixed(3)} s of CPU per GB`;
  if (rival === undefined) return `${cost}; there was nothing to compare it with.`;
  const cheaper = rival.cpuSecondsPerGB / best.cpuSecondsPerGB;
  const faster = best.bytesPerSecond / rival.bytesPerSecond;
  const speed = faster >= 1 ? `${faster.toFixed(1)} times the speed` : `${(faster * 100).toFixed(0)} % of the speed`;
  return `${cost}: ${cheaper.toFixed(1)} times less than ${title[rival.mechanism]} (${rival.cpuSecondsPerGB.toFixed(3)} s), at ${speed}.`;
}

export interface DemoReport {
  readonly file: string;
  readonly fileBytes: number;
  /** Bytes of it that were sent. */
  readonly bytes: number;
  readonly rounds: number;
  readonly callsCountedBy: string;
  readonly rows: readonly DemoRow[];
  readonly conclusion: string;
}

/** The whole report for the terminal. */
export function page({ file, fileBytes, bytes, rounds, callsCountedBy, rows, conclusion }: DemoReport): string {
  const share = bytes < fileBytes ? `the first ${count(bytes)} of ${count(fileBytes)} bytes` : `${count(bytes)} bytes`;
  return `${file}: ${share}, over TCP to another process

${drawRows(rows)}

Medians of ${rounds} rounds, each in a fresh process; 1 GB is 10^9 bytes. The event loop was watched in a run of its own
(shown: beyond the 1 ms of the sampling timer). System calls are counted by ${callsCountedBy}.
"${title.streams}" is createReadStream().pipe(socket); the others are transfer(file, socket, { strategy }).

${conclusion}`;
}

const none = [
  "top",
  "top-mid",
  "top-left",
  "top-right",
  "bottom",
  "bottom-mid",
  "bottom-left",
  "bottom-right",
] as const;
const blank = ["left", "right", "left-mid", "right-mid"] as const;
const chars = {
  ...Object.fromEntries([...none, ...blank].map((name) => [name, ""])),
  middle: "  ",
  "mid-mid": "──",
};

export interface Layout {
  readonly head: readonly string[];
  readonly align?: readonly HorizontalAlignment[];
  /** In characters; null is as wide as the content. */
  readonly widths?: readonly (number | null)[];
}

export function drawTable({ head, align = [], widths = [] }: Layout, rows: readonly (readonly Cell[])[]): string {
  const table = new Table({
    head: [...head],
    colAligns: [...align],
    colWidths: [...widths],
    wordWrap: true,
    chars,
    style: { head: [], border: [], compact: true, "padding-left": 0, "padding-right": 0 },
  });
  table.push(...rows.map((row) => [...row]));
  return table.toString();
}
