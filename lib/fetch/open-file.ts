/** Files that are served: found by a path beneath the root, and opened. */
import { closeSync, fstatSync, read, type Stats } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { withPaths } from "../../core/error.ts";
import type { OpenBeneath } from "../confine/open-beneath.ts";
import { callFailed } from "../support/system-error.ts";

/** One descriptor, closed once, and never under a read. */
export class OpenFile {
  readonly stats: Stats;
  /** By which it was found, beneath the root as that was given. */
  readonly path: string;
  #fd: number;
  #isReading = false;
  #isUnwanted = false;

  constructor(fd: number, stats: Stats, path: string) {
    this.#fd = fd;
    this.stats = stats;
    this.path = path;
  }

  get size(): number {
    return this.stats.size;
  }

  get isClosed(): boolean {
    return this.#fd < 0 || this.#isUnwanted;
  }

  /** Reads up to the length of the buffer: how many bytes there were. */
  read(buffer: Uint8Array, position: number): Promise<number> {
    this.#isReading = true;
    return new Promise((resolve, reject) => {
      read(this.#fd, buffer, 0, buffer.length, position, (error, count) => {
        this.#isReading = false;
        // Its number would have been another file's by now, had it been closed before.
        if (this.#isUnwanted) this.close();
        if (error === null) resolve(count);
        else reject(error);
      });
    });
  }

  /** Has a call read from the descriptor, while it waits for nothing. */
  readBy<T>(call: (fd: number) => T): T {
    return call(this.#fd);
  }

  /** Gives the descriptor away: the taker closes it. */
  release(): number {
    const fd = this.#fd;
    this.#fd = -1;
    return fd;
  }

  /** On this thread: it takes a microsecond, and forty by way of the thread pool. */
  close(): void {
    this.#isUnwanted = true;
    if (this.#fd < 0 || this.#isReading) return;
    closeSync(this.release());
  }
}

/** Anything but a regular file or a folder is missing: a FIFO or a device has no content to serve. */
export type Found =
  | { readonly kind: "file"; readonly file: OpenFile }
  | { readonly kind: "folder" | "missing" | "forbidden" };

const kinds: Readonly<Record<string, "missing" | "forbidden">> = {
  ENOENT: "missing",
  ENOTDIR: "missing",
  ENAMETOOLONG: "missing",
  // A link that leads out of the root, in circles, or through /proc.
  EXDEV: "missing",
  ELOOP: "missing",
  // A socket, or a device without a driver.
  ENXIO: "missing",
  ENODEV: "missing",
  EACCES: "forbidden",
  EPERM: "forbidden",
};

/**
 * Opens it once; all that is told of a file comes from that descriptor.
 *
 * @throws TransferError for what says nothing of the path: EMFILE, EIO, …
 */
export async function lookUp(openBeneath: OpenBeneath, root: string | URL, path: string): Promise<Found> {
  const whole = join(root instanceof URL ? fileURLToPath(root) : root, path);
  const opened = await openBeneath(root, path);
  if (typeof opened === "string") {
    const kind = kinds[opened];
    if (kind === undefined) throw withPaths(callFailed(`open ${path}`, "open", opened), { path: whole });
    return { kind };
  }
  const stats = fstatSync(opened);
  if (stats.isFile()) return { kind: "file", file: new OpenFile(opened, stats, whole) };
  closeSync(opened);
  return { kind: stats.isDirectory() ? "folder" : "missing" };
}
