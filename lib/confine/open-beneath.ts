/** Opening what lies beneath a folder, and nothing else: for reading, and while this thread does other things. */
import { close, constants, open, stat } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Native } from "../../core/abi/abi.ts";
import { openFlags } from "../../core/abi/numbers.ts";
import { isSameFile } from "../../core/plan/endpoint.ts";
import type { Opened } from "../../core/walk.ts";
import { inspectFd } from "../ends/inspect-fd.ts";
import type { Runtime } from "../runtime.ts";
import { openByPath } from "./by-path.ts";
import { errnoOf, orErrno } from "./errno.ts";
import { isReachable, nodeFlags, O_PATH } from "./held.ts";
import { isWithoutCall, openedBy, pathError, PathMemory } from "./kernel.ts";
import { walkAside } from "./walk.ts";

const openAsync = promisify(open);
const closeAsync = promisify(close);
const statAsync = promisify(stat);

/** Opens a relative path beneath a root, for reading: a descriptor that node:fs can use, or the name of an errno. */
export type OpenBeneath = (root: string | URL, path: string) => Promise<Opened>;

const reading = nodeFlags(openFlags.read);

/** An absolute path is taken as it is: resolving it costs as much as opening a file. */
function rootPath(root: string | URL): string {
  const path = root instanceof URL ? fileURLToPath(root) : root;
  return isAbsolute(path) ? path : resolve(path);
}

/** Without openat2: a name at a time, by way of /proc, and by the path where that can't be. */
async function openWalking(root: string | URL, path: string, mayReach: boolean): Promise<Opened> {
  const error = pathError(path);
  if (error !== undefined) return error;
  const base = rootPath(root);
  if (!mayReach || process.platform !== "linux") return openByPath(base, path);
  const folder = await orErrno(openAsync(base, O_PATH | constants.O_DIRECTORY));
  if (typeof folder === "string") return folder;
  try {
    return (await isReachable(folder)) ? await walkAside(folder, path, openFlags.read) : await openByPath(base, path);
  } finally {
    await closeAsync(folder);
  }
}

/** The way that needs no engine. */
export const openBeneath: OpenBeneath = (root, path) => openWalking(root, path, true);

/** EINVAL: Linux before 5.12 doesn't know RESOLVE_CACHED. */
const mustWait: ReadonlySet<Opened> = new Set(["EAGAIN", "EINVAL"]);

/** How often a file is opened again that others replace meanwhile. */
const mostTries = 20;

/** The engine's way. The kernel answers from memory (RESOLVE_CACHED) or not at all while the thread pool looks it up. */
class KernelOpener {
  readonly #native: Native;
  readonly #runtime: Runtime;
  readonly #root = new PathMemory();
  readonly #path = new PathMemory();
  /** Whether the runtime lets files be opened by way of /proc: asking costs as much as opening one. */
  #mayReach: boolean | undefined;

  constructor(native: Native, runtime: Runtime) {
    this.#native = native;
    this.#runtime = runtime;
  }

  #attempt(root: string, path: string, cached: 0 | 1): Opened {
    const error = this.#root.set(root) ?? this.#path.set(path);
    return error ?? openedBy(this.#native.sluice_open_beneath(this.#root.bytes, this.#path.bytes, cached));
  }

  async #find(root: string, path: string): Promise<Opened> {
    const opened = this.#attempt(root, path, 1);
    if (!mustWait.has(opened)) return opened;
    // What it answers, and whether it is beneath the root, doesn't matter: it brings the names into memory.
    await orErrno(statAsync(join(root, path)));
    const warmed = this.#attempt(root, path, 1);
    return mustWait.has(warmed) ? this.#attempt(root, path, 0) : warmed;
  }

  async open(root: string, path: string): Promise<Opened> {
    for (let tries = 1; ; tries++) {
      const found = await this.#find(root, path);
      if (typeof found === "string" || this.#runtime.reopen === undefined) return found;
      const opened = await this.#openSame(found, join(root, path));
      if (opened !== undefined) return opened;
      if (tries === mostTries) return "EXDEV";
    }
  }

  /** Opens the very file that the kernel has found for node:fs; undefined where its path leads to another by now. */
  async #openSame(found: number, path: string): Promise<Opened | undefined> {
    try {
      if ((this.#mayReach ??= mayReach(this.#runtime))) return this.#runtime.reopen?.(found, reading);
      const opened = await orErrno(openAsync(path, reading));
      if (typeof opened === "string") return opened === "ENOENT" ? undefined : opened;
      if (isSameFile(inspectFd(this.#native, found, path), inspectFd(this.#native, opened, path))) return opened;
      await closeAsync(opened);
      return undefined;
    } catch (error) {
      const code = errnoOf(error);
      if (code !== "EACCES" || !this.#mayReach) return code;
      // It did until now.
      this.#mayReach = false;
      return undefined;
    } finally {
      this.#native.sluice_close(found);
    }
  }
}

const mayReach = ({ seesDescriptors }: Runtime): boolean => seesDescriptors?.() !== false;

/** The best way that there is. */
export function createOpenBeneath(native: Native | string, runtime: Runtime): OpenBeneath {
  const walking: OpenBeneath = (root, path) => openWalking(root, path, mayReach(runtime));
  if (typeof native === "string") return walking;
  const opener = new KernelOpener(native, runtime);
  let isMissing = false;
  return async (root, path) => {
    const opened = isMissing ? "ENOSYS" : await opener.open(rootPath(root), path);
    isMissing = opened === "ENOSYS";
    return isWithoutCall(opened) ? walking(root, path) : opened;
  };
}
