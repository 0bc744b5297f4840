/** Opens paths so that nothing can block: not a FIFO without a peer, not a thread of the runtime's pool. */
import { close, constants, ftruncate, open, type PathLike, unlink } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Native } from "../../core/abi.ts";
import { errnoName } from "../../core/errno.ts";
import type { AbortSignalLike } from "../../core/request.ts";
import { delay } from "./delay.ts";
import { fsCall, callFailed, codeOf, explained } from "./system-error.ts";

const openAsync = promisify(open);
const closeAsync = promisify(close);

/** How often a FIFO that nobody reads yet is tried again, in milliseconds. */
const fifoRetryMs = 20;

/**
 * O_NONBLOCK changes nothing for regular files. A FIFO opened with it for reading is there at once and
 * the engine waits for the first writer; for writing it says ENXIO until there is a reader (fifo(7)).
 */
const quietly = constants.O_NONBLOCK | constants.O_NOCTTY;

export interface OpenedPath {
  readonly fd: number;
  readonly name: string;
  /** Whether the call made the file. */
  readonly created: boolean;
}

const nameOf = (path: PathLike): string => (path instanceof URL ? fileURLToPath(path) : path.toString());

/** Opens a source. */
export async function openSource(path: string | URL): Promise<OpenedPath> {
  const name = nameOf(path);
  try {
    return { fd: await openAsync(path, constants.O_RDONLY | quietly), name, created: false };
  } catch (error) {
    throw explained(error, `open ${name}`, "open");
  }
}

/** The flags to try in turn: a new file first, so that one made in vain can be taken away again. */
const targetFlags = [constants.O_CREAT | constants.O_EXCL, 0, constants.O_CREAT] as const;

async function tryTarget(path: string | URL): Promise<{ fd: number; created: boolean }> {
  let last: unknown;
  for (const flags of targetFlags) {
    try {
      return { fd: await openAsync(path, constants.O_WRONLY | quietly | flags, 0o666), created: flags !== 0 };
    } catch (error) {
      last = error;
      const code = codeOf(error);
      // EEXIST: it is there; ENOENT: it was, or it is a link to nowhere yet.
      if (code !== "EEXIST" && code !== "ENOENT") break;
    }
  }
  throw last;
}

/** Opens a target without emptying it yet, waiting for the reader where it is a FIFO. */
export async function openTarget(path: string | URL, signal: AbortSignalLike | undefined): Promise<OpenedPath> {
  const name = nameOf(path);
  for (;;) {
    try {
      return { ...(await tryTarget(path)), name };
    } catch (error) {
      if (codeOf(error) !== "ENXIO" || signal?.aborted) throw explained(error, `open ${name}`, "open");
      await delay(fifoRetryMs);
    }
  }
}

/** Empties a file that has been opened as a target. */
export async function empty(fd: number, name: string): Promise<void> {
  await fsCall(`empty ${name}`, "ftruncate", promisify(ftruncate)(fd, 0));
}

/** Takes away a file that was made for nothing. */
export async function removeFile(path: string): Promise<void> {
  await promisify(unlink)(path);
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
