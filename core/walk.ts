/**
 * Resolving a path beneath a folder where the kernel can't keep to it (openat2(2)): a name at a time, each opened in the
 * folder that is held open from the step before and never followed, so that no link is followed that has not been looked
 * at. A ".." goes back to a folder that has been passed, and never further than the first.
 */
import { openFlags } from "./abi/numbers.ts";
import { mostLinks } from "./path.ts";

/** A call that a walk asks for. A name is single, or "" for the folder itself. */
export type Step =
  /** By bits of `openFlags`, following no link. */
  | { readonly call: "open"; readonly folder: number; readonly name: string; readonly flags: number }
  | { readonly call: "readLink"; readonly folder: number; readonly name: string }
  | { readonly call: "isLink" | "close"; readonly fd: number };

/** What a step comes to, or the name of an errno. */
export interface Answer {
  readonly errno?: string;
  readonly fd?: number;
  readonly text?: string;
  readonly isLink?: boolean;
}

/** A descriptor, or the name of an errno: `EXDEV`, as openat2(2) says it, for what leads out of the folder. */
export type Opened = number | string;

export type Walk = Generator<Step, Opened, Answer>;

const passing = openFlags.path | openFlags.directory;

/** The folder itself, by a name that no link has. */
const isItself = (name: string | undefined): boolean => name === "" || name === ".";

/** A path's names. The last is "" behind a slash: what it leads to has to be a folder. */
function namesOf(path: string): string[] {
  const parts = path.split("/");
  const names = parts.filter((part) => part !== "" && part !== ".");
  const last = parts.at(-1);
  return last !== undefined && isItself(last) ? [...names, last] : names;
}

/** What O_NOFOLLOW answers to a link. */
const refusesLink: ReadonlySet<string> = new Set(["ELOOP", "ENOTDIR"]);

function* open(folder: number, name: string, flags: number): Walk {
  const { fd, errno = "EIO" } = yield { call: "open", folder, name, flags };
  if (fd === undefined) return errno;
  // O_PATH takes a link for a file.
  const takesLinks = (flags & openFlags.path) !== 0 && (flags & (openFlags.noFollow | openFlags.directory)) === 0;
  if (!takesLinks || !(yield { call: "isLink", fd }).isLink) return fd;
  yield { call: "close", fd };
  return "ELOOP";
}

/** The folders that lead to where a walk is, each held open. */
class Trail {
  readonly #base: number;
  readonly #passed: number[] = [];

  constructor(base: number) {
    this.#base = base;
  }

  get folder(): number {
    return this.#passed.at(-1) ?? this.#base;
  }

  enter(folder: number): void {
    this.#passed.push(folder);
  }

  /** Goes back by one folder, which needs the right to search the one that is left: an errno where that can't be. */
  *back(): Generator<Step, string | undefined, Answer> {
    if (this.#passed.length === 0) return "EXDEV";
    const same = yield* open(this.folder, ".", passing);
    if (typeof same === "string") return same;
    yield { call: "close", fd: same };
    yield { call: "close", fd: this.folder };
    this.#passed.pop();
    return undefined;
  }

  *close(): Generator<Step, void, Answer> {
    for (const fd of this.#passed) yield { call: "close", fd };
  }
}

/** Opens a path beneath an open folder, by bits of `openFlags`. */
export function* walk(base: number, path: string, flags: number): Walk {
  if (path === "") return "ENOENT";
  if (path.startsWith("/")) return "EXDEV";
  const trail = new Trail(base);
  try {
    return yield* follow(trail, namesOf(path), flags);
  } finally {
    yield* trail.close();
  }
}

function* follow(trail: Trail, names: string[], flags: number): Walk {
  let links = 0;
  for (;;) {
    const name = names.shift() ?? "";
    if (name === "..") {
      const failed = yield* trail.back();
      if (failed !== undefined) return failed;
      continue;
    }
    const isLast = names.length === 0;
    if (flags & openFlags.create && names.length === 1 && names[0] === "") return "EISDIR";
    const opened = yield* open(trail.folder, name, isLast ? flags : passing);
    if (typeof opened === "number") {
      if (isLast) return opened;
      trail.enter(opened);
      continue;
    }
    const mayBeLink = refusesLink.has(opened) && !isItself(name) && !(isLast && flags & openFlags.noFollow);
    if (!mayBeLink) return opened;
    const { text } = yield { call: "readLink", folder: trail.folder, name };
    if (text === undefined) return opened;
    if (text.startsWith("/")) return "EXDEV";
    if (++links > mostLinks) return "ELOOP";
    const target = namesOf(text);
    if (!isLast && isItself(target.at(-1))) target.pop();
    names.unshift(...target);
  }
}
