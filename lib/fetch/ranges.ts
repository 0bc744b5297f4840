/** Byte ranges (RFC 9110, 14). */
// @ts-types="@types/range-parser"
import parseRange from "range-parser";

/** A part of a file, in bytes. */
export interface Part {
  readonly start: number;
  readonly length: number;
}

/** Ranges of one request; with more, or with a longer header, the whole file is sent, as 14.2 allows. */
const mostRanges = 32;
const longestHeader = 1024;

/** The parts asked for, without overlaps; undefined where the whole file is to be sent. */
export function partsOf(header: string | null, size: number): readonly Part[] | "unsatisfiable" | undefined {
  if (header === null || header.length > longestHeader || header.split(",", mostRanges + 1).length > mostRanges)
    return undefined;
  // A suffix longer than the file means all of it (14.1.2); range-parser would refuse it.
  const clamped = header.replace(/(?<=[=,]\s*-)\d+/g, (digits) => String(Math.min(Number(digits), size)));
  const ranges = parseRange(size, clamped, { combine: true });
  if (ranges === -1) return isBytes(clamped) ? "unsatisfiable" : undefined;
  if (ranges === -2 || !isBytes(ranges.type)) return undefined;
  return ranges.map(({ start, end }) => ({ start, length: end - start + 1 }));
}

const isBytes = (header: string): boolean => /^bytes(?:=|$)/i.test(header);

export const contentRange = ({ start, length }: Part, size: number): string =>
  `bytes ${start}-${start + length - 1}/${size}`;

/** What a body is made of, in order. */
export type Piece = Part | Uint8Array;

export interface Multipart {
  readonly type: string;
  readonly length: number;
  readonly pieces: readonly Piece[];
}

/** The parts with a head each, as multipart/byteranges (14.6). */
export function multipart(parts: readonly Part[], size: number, type: string): Multipart {
  const boundary = crypto.randomUUID();
  const encoder = new TextEncoder();
  const pieces: Piece[] = parts.flatMap((part) => [
    encoder.encode(`\r\n--${boundary}\r\nContent-Type: ${type}\r\nContent-Range: ${contentRange(part, size)}\r\n\r\n`),
    part,
  ]);
  pieces.push(encoder.encode(`\r\n--${boundary}--\r\n`));
  return {
    type: `multipart/byteranges; boundary=${boundary}`,
    length: pieces.reduce((total, { length }) => total + length, 0),
    pieces,
  };
}
