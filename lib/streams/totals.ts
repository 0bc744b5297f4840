/** How many streams of this isolate went which way, and how many bytes, since its start. */
import type { Strategy } from "../../core/plan/kernel.ts";

export interface StreamTotal {
  /** The mechanism that moved the bytes; `portable`: the runtime itself did, through JavaScript. */
  readonly way: Strategy;
  /** Why, as `report()` says it, with N for large numbers. */
  readonly reason: string;
  /** A stream counts once: by the mechanism that moved any of it, else as `portable`. */
  readonly streams: number;
  /** Bytes that went that way. What is left of a stream and the runtime's to read counts as `portable`, when it has ended or closed. */
  readonly bytes: number;
}

interface Row {
  readonly way: Strategy;
  readonly reason: string;
  streams: number;
  bytes: number;
}

/** Messages of errors and names of classes are among the reasons: there is no end to those. */
const mostRows = 64;

const rows: Row[] = [];
const ways = new Map<Strategy, Map<string, Row>>();

function addRow(row: Row, known: Map<string, Row>): Row {
  known.set(row.reason, row);
  rows.push(row);
  return row;
}

function rowOf(way: Strategy, reason: string): Row {
  let known = ways.get(way);
  if (known === undefined) ways.set(way, (known = new Map<string, Row>()));
  const row = known.get(reason);
  if (row !== undefined) return row;
  // Counts of bytes and the like: versions of a kernel stay.
  const label = reason.replace(/(?<![\w.])\d{3,}(?!\.?\d)/g, "N");
  const other = known.get(label) ?? (rows.length < mostRows ? undefined : known.get("other"));
  if (other !== undefined) return other;
  return addRow({ way, reason: rows.length < mostRows ? label : "other", streams: 0, bytes: 0 }, known);
}

/** Counts streams, and bytes of theirs. */
export function count(way: Strategy, reason: string, streams: number, bytes: number): void {
  const row = rowOf(way, reason);
  row.streams += streams;
  row.bytes += bytes;
}

export const streamTotals = (): readonly StreamTotal[] => rows.map((row) => ({ ...row }));
