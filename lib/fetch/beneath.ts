/** Opening what lies beneath a folder, and nothing else: by openat2(2), else by looking where an open file is. */
import { close, constants, fstatSync, open, readlink, realpath, stat } from "node:fs";
import { isAbsolute, join, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Native } from "../../core/abi/abi.ts";
import { errnoName } from "../../core/abi/errno.ts";
import { codeOf } from "../support/system-error.ts";

const openAsync = promisify(open);
const closeAsync = promisify(close);
const statAsync = promisify(stat);
const readlinkAsync = promisify(readlink);
const realpathAsync = promisify(realpath);

/** A descriptor that node:fs can use, or the name of an errno. */
export type OpenedBeneath = number | string;

/** Opens a relative path beneath a root, for reading. */
export type OpenBeneath = (root: string | URL, path: string) => Promise<OpenedBeneath>;

/** Makes a descriptor of the engine's one that node:fs can use; undefined where that can't be done. */
export type Adopt = (fd: number, native: Native) => number | undefined;

/** A FIFO without a writer, and a terminal, must not hold anybody. */
const flags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

/** An absolute path is taken as it is: resolving it costs as much as opening a file. */
function rootPath(root: string | URL): string {
  const path = root instanceof URL ? fileURLToPath(root) : root;
  return isAbsolute(path) ? path : resolve(path);
}

/** Whatever comes of a call, as an errno where it is one. */
async function orErrno<T>(promise: Promise<T>): Promise<T | string> {
  try {
    return await promise;
  } catch (error) {
    // Deno's, for want of a permission.
    if (error instanceof Error && error.name === "NotCapable") return "EACCES";
    const code = codeOf(error);
    if (code === undefined || code.startsWith("ERR_")) throw error;
    return code;
  }
}

const isBeneath = (root: string, path: string): boolean =>
  path === root || path.startsWith(root.endsWith(sep) ? root : root + sep);

/** Whether the file that is open lies beneath a root; both paths are real ones. */
async function liesBeneath(root: string, path: string, fd: number): Promise<boolean> {
  const shown = await orErrno(readlinkAsync(`/proc/self/fd/${fd}`));
  if (shown.startsWith(sep)) return isBeneath(root, shown);
  const real = await orErrno(realpathAsync(path));
  if (!isBeneath(root, real)) return false;
  const found = await orErrno(statAsync(real));
  const opened = fstatSync(fd);
  return typeof found !== "string" && found.ino === opened.ino && found.dev === opened.dev;
}

/**
 * The way without openat2. A link that leads out of the root is followed before it is noticed, so the file is opened
 * and closed again, unread; nothing of it is told. With /proc that is all: the kernel itself says where the open file
 * is. Without, the path is resolved again and must lead to the file that was opened; somebody who can replace
 * folders beneath the root by links, twice between three system calls, could have an outside file taken for an
 * inside one.
 */
export const openChecked: OpenBeneath = async (root, path) => {
  const base = await orErrno(realpathAsync(rootPath(root)));
  if (!base.startsWith(sep)) return base;
  const full = join(base, path);
  const fd = await orErrno(openAsync(full, flags));
  if (typeof fd === "string") return fd;
  if (await liesBeneath(base, full, fd)) return fd;
  await closeAsync(fd);
  return "EXDEV";
};

/** PATH_MAX: a longer path, with the zero at its end, is none. Bytes. */
const longestPath = 4096;

/** A path as the engine takes it, in memory that is used again and again. */
class PathMemory {
  readonly bytes = new Uint8Array(longestPath);
  readonly #encoder = new TextEncoder();
  #path: string | undefined;

  /** False where it is too long. */
  set(path: string): boolean {
    if (path === this.#path) return true;
    // One byte short, for the zero at the end; what doesn't fit isn't read.
    const { read, written } = this.#encoder.encodeInto(path, this.bytes.subarray(0, longestPath - 1));
    this.bytes[written] = 0;
    this.#path = read === path.length ? path : undefined;
    return this.#path !== undefined;
  }
}

/** The engine's way. The kernel answers from memory (RESOLVE_CACHED) or not at all while the thread pool looks it up. */
class KernelOpener {
  readonly #native: Native;
  readonly #root = new PathMemory();
  readonly #path = new PathMemory();

  constructor(native: Native) {
    this.#native = native;
  }

  #attempt(root: string, path: string, cached: 0 | 1): OpenedBeneath {
    if (!this.#root.set(root) || !this.#path.set(path)) return "ENAMETOOLONG";
    const answer = this.#native.sluice_open_beneath(this.#root.bytes, this.#path.bytes, cached);
    return answer < 0 ? errnoName(-answer) : answer;
  }

  async open(root: string, path: string): Promise<OpenedBeneath> {
    const opened = this.#attempt(root, path, 1);
    if (!mustWait.has(opened)) return opened;
    // What it answers, and whether it is beneath the root, doesn't matter: it brings the names into memory.
    await orErrno(statAsync(join(root, path)));
    const warmed = this.#attempt(root, path, 1);
    return mustWait.has(warmed) ? this.#attempt(root, path, 0) : warmed;
  }
}

/** EINVAL: Linux before 5.12 doesn't know RESOLVE_CACHED. */
const mustWait: ReadonlySet<OpenedBeneath> = new Set(["EAGAIN", "EINVAL"]);

/** Errnos of a call that the kernel lacks or that a filter forbids; EPERM can be the file's, and is asked again. */
const withoutCall: ReadonlySet<OpenedBeneath> = new Set(["ENOSYS", "EPERM"]);

/** The best way that there is. */
export function createOpenBeneath(native: Native | string, adopt: Adopt): OpenBeneath {
  if (typeof native === "string") return openChecked;
  const opener = new KernelOpener(native);
  let usable = true;
  return async (root, path) => {
    if (!usable) return openChecked(root, path);
    const opened = await opener.open(rootPath(root), path);
    if (typeof opened === "number") {
      const fd = adopt(opened, native);
      if (fd !== undefined) return fd;
      usable = false;
    } else if (!withoutCall.has(opened)) return opened;
    else if (opened === "ENOSYS") usable = false;
    return openChecked(root, path);
  };
}
