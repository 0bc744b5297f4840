/** Small files as bodies in memory: a server of somebody else's spends more on a stream than on its bytes. */
import type { Native } from "../../core/abi/abi.ts";
import { limits } from "../../core/abi/limits.ts";
import { requestRecord } from "../../core/abi/records.ts";
import { RecordMemory } from "../engine/record-memory.ts";
import type { OpenFile } from "./open-file.ts";
import type { Part, Piece } from "./ranges.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/**
 * Reads the whole of a body that is one small part of a file; undefined for others, and where it can't be had whole. What comes
 * without a promise lies in memory that the next one is read into: a Response copies it when it is made.
 */
export type ReadSmall = (file: OpenFile, pieces: readonly Piece[]) => Bytes | Promise<Bytes | undefined> | undefined;

/** Reads what waits for nothing: how many bytes, or a negative errno. */
type ReadNow = (file: OpenFile, offset: number, bytes: Bytes) => number;

function readingNow(native: Native): ReadNow {
  const { bytes: request, view } = new RecordMemory(requestRecord.size);
  return (file, offset, bytes) => {
    requestRecord.set(view, "offset", offset);
    requestRecord.set(view, "length", bytes.byteLength);
    return file.readBy((fd) => native.sluice_read_now(fd, request, bytes));
  };
}

/**
 * What a server may hold of one body for a client that takes none of it: as much as one chunk of a stream. Where files of the
 * runtime's own go past JavaScript they cost less from the second read on.
 */
const mostBytes = { bytes: 2 * limits.inline_copy_bytes, files: limits.inline_copy_bytes } as const;

/** Whether all of a part could be read without waiting. The engine reads so much at once, and no more. */
function readResident(readNow: ReadNow, file: OpenFile, start: number, bytes: Bytes): boolean {
  for (let at = 0; at < bytes.length; at += limits.inline_copy_bytes) {
    const chunk = bytes.subarray(at, at + limits.inline_copy_bytes);
    if (readNow(file, start + at, chunk) !== chunk.length) return false;
  }
  return true;
}

/** By the thread pool. What it fails with is met again, and told, by the stream that comes instead. */
async function readAside(file: OpenFile, { start, length }: Part): Promise<Bytes | undefined> {
  const bytes = new Uint8Array(length);
  const count = await file.read(bytes, start).catch(() => 0);
  return count === length ? bytes : undefined;
}

/**
 * @param native undefined: all is read by the thread pool, as is what would have to wait for a disk
 * @param better what costs the server less beyond 64 KiB
 */
export function smallReader(native: Native | undefined, better: keyof typeof mostBytes): ReadSmall {
  const readNow = native === undefined ? () => -1 : readingNow(native);
  // New memory for each costs a runtime's collector more than the bytes do.
  const memory = new Uint8Array(mostBytes[better]);
  return (file, [piece, ...others]) => {
    if (piece === undefined || !("start" in piece) || others.length > 0) return undefined;
    if (piece.length > memory.length) return undefined;
    const bytes = memory.subarray(0, piece.length);
    return readResident(readNow, file, piece.start, bytes) ? bytes : readAside(file, piece);
  };
}
