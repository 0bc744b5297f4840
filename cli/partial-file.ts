/** A file that is received in several goes: what has come waits beside it, and the next connection goes on from there. */
import { type BigIntStats, constants } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { createHash } from "node:crypto";
import type { Report } from "../core/transfer/report.ts";
import { type FileChannel, openFile, TransferError } from "../adapters/node.ts";
import { node } from "../adapters/node/ffi.ts";
import { inherit } from "../lib/copy/inherit.ts";
import { checkOccupant, checkReplaceable } from "../lib/copy/occupant.ts";
import { Place } from "../lib/copy/place.ts";
import { machineOf } from "../lib/engine/machine.ts";

/** What was received so far lies beside the file, under its name and this. */
export const partialSuffix = ".part";

/** NAME_MAX (limits.h). Bytes. */
const mostBytes = 255;

export interface Partial {
  readonly path: string;
  /** Bytes that are there already. */
  readonly offset: number;
}

/** The same each time, and another for each name: one that is too long is told apart by its digest. */
function partialName(name: string): string {
  if (Buffer.byteLength(name + partialSuffix) <= mostBytes) return name + partialSuffix;
  const { read } = new TextEncoder().encodeInto(name, new Uint8Array(mostBytes - 64 - 1 - partialSuffix.length));
  return `${name.slice(0, read)}.${createHash("sha256").update(name).digest("hex")}${partialSuffix}`;
}

/** Without the lock two receivers would write into one another; without the engine there is none, and nobody is warned. */
function lock(channel: FileChannel, path: string): void {
  try {
    if (channel.tryLock() !== undefined) return;
  } catch (error) {
    if (error instanceof TransferError && error.code === "ERR_SLUICE_UNSUPPORTED") return;
    throw error;
  }
  throw new TransferError(`Cannot write ${path}: another receiver is writing it`, { code: "EAGAIN" });
}

async function inheritFrom(place: Place, old: BigIntStats, path: string): Promise<void> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    await inherit(machineOf(node), place, old, file);
  } finally {
    await file.close();
  }
}

/**
 * Lets `write` continue the partial file, and gives it the file's name when `write` is done. When `write` fails, all
 * that has come stays, as a prefix of the whole: the page cache holds exactly the bytes that were counted.
 */
export async function writeInGoes(
  named: string,
  durable: boolean,
  write: (partial: Partial) => Promise<Report>,
): Promise<Report> {
  const place = await Place.find(named);
  try {
    return await writeAt(place, durable, write);
  } finally {
    await place.close();
  }
}

async function writeAt(place: Place, durable: boolean, write: (partial: Partial) => Promise<Report>): Promise<Report> {
  const old = await place.status();
  checkOccupant(place.path, old, { overwrite: true });
  if (old !== undefined) checkReplaceable(machineOf(node), place, old, undefined);
  const path = place.beside(partialName(place.name));
  await using channel = await openFile(path, constants.O_RDWR | constants.O_CREAT, old === undefined ? 0o666 : 0o600);
  lock(channel, place.path);
  try {
    const report = await write({ path, offset: await channel.size() });
    if (old !== undefined) await inheritFrom(place, (await place.status()) ?? old, path);
    if (durable) await channel.force();
    await rename(path, place.entry);
    if (durable) await place.sync();
    return report;
  } catch (error) {
    // What must not be lost by a failing peer must not be lost by a failing machine either.
    if (durable) await channel.force();
    if ((await channel.size()) === 0) await rm(path, { force: true });
    throw error;
  }
}
