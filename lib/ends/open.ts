/** Opens paths so that nothing can block: not a FIFO without a peer, not a thread of the runtime's pool. */
import { close, constants, fstatSync, ftruncate, lstatSync, open, type PathLike, unlinkSync } from "node:fs";
import { stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Native } from "../../core/abi/abi.ts";
import { errnoName } from "../../core/abi/errno.ts";
import type { AbortSignalLike } from "../../core/transfer/request.ts";
import type { Place } from "../copy/place.ts";
import { delay } from "../support/delay.ts";
import { fsCall, callFailed, codeOf, explained } from "../support/system-error.ts";

const openAsync = promisify(open);
const closeAsync = promisify(close);

/** How often a FIFO that nobody reads yet, or a leased file, is tried again, in milliseconds. */
const retryMs = 20;

/**
 * O_NONBLOCK changes nothing for regular files. A FIFO opened with it for reading is there at once and
 * the engine waits for the first writer; for writing it says ENXIO until there is a reader (fifo(7)).
 */
const quietly = constants.O_NONBLOCK | constants.O_NOCTTY;

export interface OpenedPath {
  readonly fd: number;
  readonly name: string;
  /** Where it was made, if this call made it. */
  readonly place?: Place;
}

export const nameOf = (path: PathLike): string => (path instanceof URL ? fileURLToPath(path) : path.toString());

/** Opens a source. */
export async function openSource(path: string | URL): Promise<OpenedPath> {
  const name = nameOf(path);
  try {
    return { fd: await openAsync(path, constants.O_RDONLY | quietly), name };
  } catch (error) {
    throw explained(error, `open ${name}`, "open");
  }
}

/** Whether a target that could not be opened may be there later. */
async function isAwaited(path: string | URL, code: string | undefined): Promise<boolean> {
  // Somebody has a lease on it (open(2)), and has been told that it is wanted.
  if (code === "EAGAIN") return true;
  if (code !== "ENXIO") return false;
  // Sockets and devices without a driver say the same, and go on saying it. What has gone meanwhile is met by the next try.
  const found = await stat(path).catch(() => undefined);
  return found === undefined || found.isFIFO();
}

/** Opens a target without emptying it yet, waiting for the reader of a FIFO, and for a lease to be given back. Undefined where nothing is there. */
export async function openTarget(
  path: string | URL,
  signal: AbortSignalLike | undefined,
): Promise<OpenedPath | undefined> {
  const name = nameOf(path);
  for (;;) {
    try {
      return { fd: await openAsync(path, constants.O_WRONLY | quietly), name };
    } catch (error) {
      if (codeOf(error) === "ENOENT") return undefined;
      if (signal?.aborted || !(await isAwaited(path, codeOf(error)))) throw explained(error, `open ${name}`, "open");
      await delay(retryMs);
    }
  }
}

/** Makes a new, empty file. Undefined where somebody else has made one meanwhile. */
export async function createTarget(place: Place): Promise<OpenedPath | undefined> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | quietly;
  try {
    return { fd: await openAsync(place.entry, flags, 0o666), name: place.path, place };
  } catch (error) {
    if (codeOf(error) === "EEXIST") return undefined;
    throw explained(error, `open ${place.path}`, "open");
  }
}

/**
 * Takes away a file that was made for nothing: the same one, still empty, and known to nobody else. Whoever has come to it
 * meanwhile keeps it. In one turn, so that there is no time to come.
 */
export function takeBack(native: Native | string, { fd, place }: OpenedPath): void {
  if (place === undefined) return;
  if (typeof native !== "string") {
    const answer = native.sluice_take_back(fd, new TextEncoder().encode(`${place.entry}\0`));
    const code = answer < 0 ? errnoName(-answer) : "EBUSY";
    if (code !== "EBUSY" && code !== "ENOENT") throw callFailed(`take back ${place.path}`, "unlink", code);
    return;
  }
  const ours = fstatSync(fd, { bigint: true });
  const there = lstatSync(place.entry, { bigint: true, throwIfNoEntry: false });
  if (there?.dev === ours.dev && there.ino === ours.ino && there.size === 0n && there.nlink === 1n)
    unlinkSync(place.entry);
}

/** Empties a file that has been opened as a target. */
export async function empty(fd: number, name: string): Promise<void> {
  await fsCall(`empty ${name}`, "ftruncate", promisify(ftruncate)(fd, 0));
}

/** Closes a descriptor of ours. close(2) frees it whatever it answers; an error is a lost write (NFS, quota). */
export async function closeFd(fd: number): Promise<void> {
  await closeAsync(fd);
}

/** A duplicate of a borrowed descriptor, made and closed by the engine. */
export interface Duplicate {
  readonly fd: number;
  close(): void;
}

/** Duplicates a borrowed descriptor. */
export function duplicate(native: Native, fd: number, name: string): Duplicate {
  const copy = native.sluice_duplicate(fd);
  if (copy < 0) throw callFailed(`use ${name}`, "fcntl", errnoName(-copy));
  return { fd: copy, close: () => native.sluice_close(copy) };
}
