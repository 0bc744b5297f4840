/** Paths for openat2(2), and what it answers. */
import { errnoName } from "../../core/abi/errno.ts";
import { pathMax } from "../../core/path.ts";
import type { Opened } from "../../core/walk.ts";

const encoder = new TextEncoder();

/** A path as the engine takes it, in memory that is used again and again. */
export class PathMemory {
  readonly bytes = new Uint8Array(pathMax);
  #path: string | undefined;

  /** Why it can't be one; undefined where it can. */
  set(path: string): "EILSEQ" | "ENAMETOOLONG" | undefined {
    if (path === this.#path) return undefined;
    this.#path = undefined;
    if (path.includes("\0")) return "EILSEQ";
    // One byte short, for the zero at the end; what doesn't fit isn't read.
    const { read, written } = encoder.encodeInto(path, this.bytes.subarray(0, pathMax - 1));
    this.bytes[written] = 0;
    if (read < path.length) return "ENAMETOOLONG";
    this.#path = path;
    return undefined;
  }
}

const memory = new PathMemory();

/** Why a path can't be one; undefined where it can. */
export const pathError = (path: string): string | undefined => memory.set(path);

/** The engine's answer: a descriptor, or the name of an errno. */
export const openedBy = (answer: number): Opened => (answer < 0 ? errnoName(-answer) : answer);

/** Errnos of a call that the kernel lacks or that a filter forbids; EPERM can be the file's, and is asked again. */
export const isWithoutCall = (opened: Opened): boolean => opened === "ENOSYS" || opened === "EPERM";
