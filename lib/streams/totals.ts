/** How many streams of this isolate went which way, and how many bytes, since its start. */
import type { Readable } from "node:stream";
import type { Strategy } from "../../core/plan/kernel.ts";
import { slot } from "../support/slot.ts";

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

interface Counted {
  readonly bytesRead?: number;
}

/** Where the bytes of a stream count that the runtime reads, and how many have been counted, by whatever way. */
const rests = slot<Row>();
const counted = slot<number>();

/** A listener that all streams share. */
function countRest(this: Readable): void {
  const { bytesRead = 0 } = this as Counted;
  const rest = bytesRead - (counted.get(this) ?? 0);
  const row = rests.get(this);
  if (row === undefined || rest <= 0) return;
  row.bytes += rest;
  counted.set(this, bytesRead);
}

/**
 * Counts a stream whose way is decided.
 *
 * @param bytes what a mechanism has moved of it, 0 where `strategy` is undefined
 * @param goesOn whether the runtime has read of it, or will
 */
export function countStream(
  source: Readable,
  strategy: Strategy | undefined,
  reason: string,
  bytes: number,
  goesOn: boolean,
): void {
  const row = rowOf(bytes > 0 ? (strategy ?? "portable") : "portable", reason);
  row.streams++;
  row.bytes += bytes;
  if (!goesOn) return;
  rests.set(source, bytes > 0 ? rowOf("portable", reason) : row);
  counted.set(source, bytes);
  if (source.closed) countRest.call(source);
  // One that doesn't close by itself ends.
  else source.on("end", countRest).on("close", countRest);
}

export const streamTotals = (): readonly StreamTotal[] => rows.map((row) => ({ ...row }));
