/** A file as it is at one moment, in a copy that nobody else can reach. */
import { fstatSync } from "node:fs";
import { type FileHandle, readlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname } from "node:path";
import { inspectionRecord } from "../../core/abi/records.ts";
import { errnoName } from "../../core/abi/errno.ts";
import { TransferError } from "../../core/error.ts";
import type { Strategy } from "../../core/plan/kernel.ts";
import type { AbortSignalLike } from "../../core/transfer/request.ts";
import { RecordMemory } from "../engine/record-memory.ts";
import { duplicate } from "../ends/open.ts";
import type { Machine } from "../engine/machine.ts";
import { callFailed } from "../support/system-error.ts";
import { transfer } from "../transfer/transfer.ts";
import { openScratch } from "./temporary.ts";

/** A range of a file. Bytes. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Shared blocks begin, and end, at whole ones: 64 KiB is a multiple of every filesystem's. */
const blockBytes = 65536;

/** What does not share blocks, best first. */
const copying: readonly Strategy[] = ["copyFileRange", "splice", "buffered", "portable"];

/** Why a folder is no place for a temporary, though another may be. */
const elsewhere = new Set([
  "EACCES",
  "EROFS",
  "ENOENT",
  "EPERM",
  "ENOSPC",
  "EDQUOT",
  "ENOTDIR",
  "EOPNOTSUPP",
  "ENOTSUP",
]);

/** Beside the file, where its blocks can be shared, else wherever temporary files go. */
async function createScratch(fd: number): Promise<FileHandle> {
  const path = await readlink(`/proc/self/fd/${fd}`).catch(() => undefined);
  if (path !== undefined) {
    try {
      return await openScratch(dirname(path), "snapshot");
    } catch (error) {
      if (!(error instanceof TransferError && elsewhere.has(error.code))) throw error;
    }
  }
  return openScratch(tmpdir(), "snapshot");
}

/** What changes when a file does. */
function stateOf({ native }: Machine, fd: number, name: string): { readonly size: number; readonly stamp: string } {
  if (typeof native === "string") {
    const { size, mtimeNs, ctimeNs } = fstatSync(fd, { bigint: true });
    return { size: Number(size), stamp: `${size} ${mtimeNs} ${ctimeNs}` };
  }
  // Not every runtime's own fstat takes a descriptor of the engine's.
  const { bytes, view } = new RecordMemory(inspectionRecord.size);
  const answer = native.sluice_inspect(fd, bytes);
  if (answer < 0) throw callFailed(`save ${name}`, "fstat", errnoName(-answer));
  const size = inspectionRecord.get(view, "size");
  const times = (["modified_ns", "changed_ns"] as const).map((field) => inspectionRecord.getWide(view, field));
  return { size, stamp: `${size} ${times.join(" ")}` };
}

const rangeOf = ({ start, end }: Span) => ({ offset: start, length: end - start, targetOffset: start });

/** Shares the blocks of a span, which begins at a whole one. Answers how many bytes, or undefined where it can't. */
async function shareBlocks(machine: Machine, fd: number, to: number, span: Span): Promise<number | undefined> {
  try {
    return (await transfer(machine, fd, to, { ...rangeOf(span), strategy: "reflink" })).bytes;
  } catch (error) {
    // Whatever kept them from being shared, copying meets it again if it matters.
    if (error instanceof TransferError) return undefined;
    throw error;
  }
}

/** The whole blocks around a span, or what the file has of them: the last may be cut by its end alone. */
function blocksOf({ start, end }: Span, size: number): Span {
  return { start: start - (start % blockBytes), end: Math.min(Math.ceil(end / blockBytes) * blockBytes, size) };
}

/** What a copy that took its time throws where the file isn't any more what it was. */
function changed(name: string, size: number, owed: number): TransferError {
  if (size >= owed)
    return new TransferError(`Cannot save ${name}: it was changed while it was copied`, { code: "ERR_SLUICE_CHANGED" });
  const message = `Cannot save ${name}: expected ${owed - size} more bytes at offset ${size}, source was truncated`;
  return new TransferError(message, { code: "ERR_SLUICE_TRUNCATED", failed: "source", sourceOffset: size });
}

/**
 * Saves a span of a file in an unnamed temporary, at the same offsets: by sharing blocks where the filesystem can
 * (FICLONERANGE; btrfs, xfs), else by a copy.
 *
 * @param isKept whether a lease keeps others from changing the file meanwhile
 * @throws TransferError `ERR_SLUICE_CHANGED` where a copy took long enough for somebody to change the file under it,
 * `ERR_SLUICE_TRUNCATED` where it has become shorter than it was at the call
 */
export async function snapshot(
  machine: Machine,
  fd: number,
  name: string,
  span: Span,
  signal: AbortSignalLike | undefined,
  isKept: boolean,
): Promise<FileHandle> {
  // The caller may close its own meanwhile.
  const held = typeof machine.native === "string" ? undefined : duplicate(machine.native, fd, name);
  const own = held?.fd ?? fd;
  let scratch: FileHandle | undefined;
  try {
    const before = stateOf(machine, own, name);
    // A file that doesn't know its size says 0, and owes nothing.
    const owed = Math.min(span.end, before.size);
    scratch = await createScratch(own);
    const blocks = blocksOf(span, before.size);
    // One step, which no writer gets between.
    const shared = owed > span.start ? await shareBlocks(machine, own, scratch.fd, blocks) : undefined;
    if (shared !== undefined && blocks.start + shared < owed) throw changed(name, blocks.start + shared, owed);
    if (shared === undefined && span.end > span.start)
      await transfer(machine, own, scratch.fd, { ...rangeOf(span), strategy: copying, signal });
    const after = stateOf(machine, own, name);
    if (shared === undefined && !isKept && after.stamp !== before.stamp) throw changed(name, after.size, owed);
    return scratch;
  } catch (error) {
    await scratch?.close();
    throw error;
  } finally {
    held?.close();
  }
}

/** At most `max` bytes of a snapshot; undefined at its end. */
export async function readSnapshot(handle: FileHandle, max: number, offset: number): Promise<Uint8Array | undefined> {
  const { bytesRead, buffer } = await handle.read(new Uint8Array(max), 0, max, offset);
  return bytesRead === 0 ? undefined : buffer.subarray(0, bytesRead);
}
