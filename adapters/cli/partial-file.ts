/** A file that is received in several goes: what has come waits beside it, and the next connection goes on from there. */
import { constants } from "node:fs";
import { chmod, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { Report } from "../../core/report.ts";
import { type FileChannel, openFile, TransferError } from "../node.ts";
import { destination, existing, syncFolder } from "../shared/copy/destination.ts";

/** What was received so far lies beside the file, under its name and this. */
export const partialSuffix = ".part";

export interface Partial {
  readonly path: string;
  /** Bytes that are there already. */
  readonly offset: number;
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

/**
 * Lets `write` continue the partial file, and gives it the file's name when `write` is done. When `write` fails, all
 * that has come stays, as a prefix of the whole: the page cache holds exactly the bytes that were counted.
 */
export async function writeInGoes(
  named: string,
  durable: boolean,
  write: (partial: Partial) => Promise<Report>,
): Promise<Report> {
  const target = await destination(named);
  const old = await existing(target, true);
  const path = `${target}${partialSuffix}`;
  await using channel = await openFile(path, constants.O_RDWR | constants.O_CREAT, old === undefined ? 0o666 : 0o600);
  lock(channel, path);
  try {
    const report = await write({ path, offset: await channel.size() });
    if (old !== undefined) await chmod(path, old.mode & 0o7777);
    if (durable) await channel.force();
    await rename(path, target);
    if (durable) await syncFolder(dirname(target));
    return report;
  } catch (error) {
    // What must not be lost by a failing peer must not be lost by a failing machine either.
    if (durable) await channel.force();
    if ((await channel.size()) === 0) await rm(path, { force: true });
    throw error;
  }
}
