/**
 * A folder that is held open, and what lies beneath it: nothing is reached by any other path. Names are resolved by
 * {@link OpenAt}; what has to be done to a name itself (unlink, rename, link) is done in the folder that holds it, which
 * is opened first, through /proc/self/fd.
 */
import {
  type BigIntStats,
  closeSync,
  constants,
  type Dirent,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  unlinkSync,
} from "node:fs";
import { openFlags } from "../../core/abi/abi.ts";
import { errnoNumber, errnoText } from "../../core/abi/errno.ts";
import { TransferError } from "../../core/error.ts";
import type { OpenAt } from "./open-at.ts";

/** An errno that no call has answered. */
export function systemError(code: string, syscall: string): TransferError {
  return new TransferError(`${errnoText(code)} (${code}, ${syscall})`, { code, errno: errnoNumber(code), syscall });
}

/** ftruncate(2). Bun takes a size of 2^52 and more for a wrong argument. */
export function setSize(fd: number, size: number): void {
  try {
    ftruncateSync(fd, size);
  } catch (error) {
    throw error instanceof RangeError ? systemError("EFBIG", "ftruncate") : error;
  }
}

/** The flags of a folder that is only passed through. */
const passing = openFlags.path | openFlags.directory;

export class Folder {
  readonly #openAt: OpenAt;
  #fd: number;

  private constructor(openAt: OpenAt, fd: number) {
    this.#openAt = openAt;
    this.#fd = fd;
  }

  /** Opens a folder of the host's, by any path: later changes to that path change nothing. */
  static lend(openAt: OpenAt, path: string): Folder {
    return new Folder(openAt, openSync(path, constants.O_RDONLY | constants.O_DIRECTORY));
  }

  /** Where it is, for calls that take paths. */
  get #entry(): string {
    return `/proc/self/fd/${this.#fd}`;
  }

  /** The file or folder of a path beneath this one, by bits of `openFlags`: a descriptor of node:fs's. */
  open(path: string, flags: number): number {
    if (this.#fd < 0) throw systemError("EBADF", "openat2");
    return this.#openAt(this.#fd, path, flags);
  }

  folder(path: string): Folder {
    return new Folder(this.#openAt, this.open(path, passing));
  }

  /** Does something to a name, given as a path through the open folder that holds it. */
  #named<T>(path: string, syscall: string, act: (entry: string) => T): T {
    const cut = path.lastIndexOf("/") + 1;
    const name = path.slice(cut);
    // A link, a rename and an unlink are of a name in a folder; a trailing slash, "." and ".." name none.
    if (name === "" || name === "." || name === "..") throw systemError(name === "" ? "ENOTDIR" : "EINVAL", syscall);
    const parent = this.folder(cut === 0 ? "." : path.slice(0, cut));
    try {
      return act(`${parent.#entry}/${name}`);
    } finally {
      parent.close();
    }
  }

  /** Takes a name away that is no folder's. What unlink(2) refuses has to be known before: Deno's removes empty folders. */
  unlink(path: string): void {
    const name = path.replace(/\/+$/, "");
    if (/(^|\/)\.{1,2}$/.test(name)) {
      this.folder(name).close();
      throw systemError("EISDIR", "unlinkat");
    }
    this.#named(name, "unlinkat", (entry) => {
      const isFolder = lstatSync(entry).isDirectory();
      if (isFolder || name !== path) throw systemError(isFolder ? "EISDIR" : "ENOTDIR", "unlinkat");
      unlinkSync(entry);
    });
  }

  makeFolder(path: string): void {
    this.#named(path.replace(/\/+$/, ""), "mkdirat", (entry) => mkdirSync(entry));
  }

  removeFolder(path: string): void {
    this.#named(path.replace(/\/+$/, ""), "unlinkat", (entry) => rmdirSync(entry));
  }

  rename(path: string, target: Folder, to: string): void {
    this.#named(path, "renameat", (entry) => target.#named(to, "renameat", (other) => renameSync(entry, other)));
  }

  /** A second name for a file, which must not exist yet. */
  link(path: string, target: Folder, to: string): void {
    this.#named(path, "linkat", (entry) => target.#named(to, "linkat", (other) => linkSync(entry, other)));
  }

  readLink(path: string): string {
    return this.#named(path, "readlinkat", (entry) => readlinkSync(entry));
  }

  /** What a path is; a symbolic link itself unless it is followed. */
  stat(path: string, follow: boolean): BigIntStats {
    if (!follow && !/(^|\/)\.{0,2}$/.test(path))
      return this.#named(path, "fstatat", (entry) => lstatSync(entry, { bigint: true }));
    const fd = this.open(path, openFlags.path);
    try {
      return fstatSync(fd, { bigint: true });
    } finally {
      closeSync(fd);
    }
  }

  /** Waits until the names in the folder that holds a path are on the disk. */
  syncNames(path: string): void {
    const cut = path.lastIndexOf("/") + 1;
    const fd = this.open(cut === 0 ? "." : path.slice(0, cut), openFlags.read | openFlags.directory);
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  }

  /** Names in it, with what each is. */
  entries(): Dirent[] {
    return readdirSync(this.#entry, { withFileTypes: true });
  }

  /** The second time does nothing. */
  close(): void {
    const fd = this.#fd;
    this.#fd = -1;
    if (fd >= 0) closeSync(fd);
  }
}
