/** The one style of all tables: columns and a rule under the head, narrow enough for a terminal. */
import Table, { type Cell, type HorizontalAlignment } from "cli-table3";

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
