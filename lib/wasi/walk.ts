/**
 * Resolving a path without openat2(2): component by component, each opened in the folder that is held open from the step
 * before, by way of /proc/self/fd, and with O_NOFOLLOW, so that no link is followed that hasn't been looked at. A ".."
 * goes back to a folder that has been passed, and never further than the first.
 */
import { closeSync, constants, fstatSync, openSync, readlinkSync } from "node:fs";
import { openFlags } from "../../core/abi/abi.ts";
import { codeOf } from "../support/system-error.ts";
import { systemError } from "./folder.ts";

/** O_PATH, which node:fs doesn't name; the same on x86-64 and arm64. */
const onlyPath = 0o10000000;

const bits = [
  [openFlags.create, constants.O_CREAT],
  [openFlags.exclusive, constants.O_EXCL],
  [openFlags.truncate, constants.O_TRUNC],
  [openFlags.directory, constants.O_DIRECTORY],
  [openFlags.path, onlyPath],
] as const;

/** Flags of open(2) for bits of `openFlags`. */
export function nodeFlags(flags: number): number {
  const access = [constants.O_RDONLY, constants.O_RDONLY, constants.O_WRONLY, constants.O_RDWR][flags & 3] ?? 0;
  const quietly = flags & openFlags.path ? 0 : constants.O_NONBLOCK | constants.O_NOCTTY;
  return bits.reduce((all, [asked, flag]) => (flags & asked ? all | flag : all), access | quietly);
}

const passing = onlyPath | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/** As many links as Linux follows. */
const mostLinks = 40;

const split = (path: string): string[] => path.split("/").filter((part) => part !== "" && part !== ".");

/** What O_NOFOLLOW says of a link: ENOTDIR where a folder was asked for. */
const mayBeLink = new Set(["ELOOP", "ENOTDIR"]);

/** Where a name leads that could not be opened because it is a link; undefined where it is none. */
function linkAt(entry: string, error: unknown): string | undefined {
  if (!mayBeLink.has(codeOf(error) ?? "")) return undefined;
  try {
    return readlinkSync(entry);
  } catch {
    // EINVAL: it is no link, so the first error stands.
    return undefined;
  }
}

class Walk {
  readonly #base: number;
  readonly #passed: number[] = [];
  readonly #outside: () => Error;

  constructor(base: number, outside: () => Error) {
    this.#base = base;
    this.#outside = outside;
  }

  entry(name: string): string {
    return `/proc/self/fd/${this.#passed.at(-1) ?? this.#base}/${name}`;
  }

  enter(name: string): void {
    this.#passed.push(openSync(this.entry(name), passing));
  }

  back(): void {
    const left = this.#passed.pop();
    if (left === undefined) throw this.#outside();
    closeSync(left);
  }

  end(): void {
    for (const fd of this.#passed.splice(0)) closeSync(fd);
  }
}

/** Opens what O_NOFOLLOW doesn't refuse: with O_PATH a link is opened itself, and has to be told. */
function openLast(entry: string, final: number, flags: number): number {
  const fd = openSync(entry, final, 0o666);
  const follows = (flags & openFlags.path) !== 0 && (flags & openFlags.noFollow) === 0;
  if (!follows || !fstatSync(fd).isSymbolicLink()) return fd;
  closeSync(fd);
  throw systemError("ELOOP", "open");
}

/** Opens a path beneath an open folder; `outside` makes the error for what leaves it. */
export function openWalking(folder: number, path: string, flags: number, outside: () => Error): number {
  if (path === "") throw systemError("ENOENT", "open");
  if (path.startsWith("/")) throw outside();
  const final = nodeFlags(path.endsWith("/") ? flags | openFlags.directory : flags) | constants.O_NOFOLLOW;
  const parts = split(path);
  const walk = new Walk(folder, outside);
  let links = 0;
  try {
    for (;;) {
      const name = parts.shift() ?? ".";
      const isLast = parts.length === 0 && name !== "..";
      try {
        if (isLast) return openLast(walk.entry(name), final, flags);
        if (name === "..") walk.back();
        else walk.enter(name);
      } catch (error) {
        const leadsTo = isLast && flags & openFlags.noFollow ? undefined : linkAt(walk.entry(name), error);
        if (leadsTo === undefined) throw error;
        if (leadsTo.startsWith("/")) throw outside();
        if (++links > mostLinks) throw systemError("ELOOP", "open");
        parts.unshift(...split(leadsTo));
      }
    }
  } finally {
    walk.end();
  }
}
