/** What tells one version of a file from another (RFC 9110, 8.8). */
import etag from "etag";
import type { Stats } from "node:fs";

/** Undefined where the file has nothing of that kind. */
export interface Validators {
  readonly etag: string | undefined;
  /** When it was changed, as far as that is known. */
  readonly changed: string | undefined;
  /** What is sent as that. */
  readonly lastModified: string | undefined;
}

/**
 * Files are not older than HTTP. Times before that are a builder's, who gives all that he makes the same one: 0 and 1
 * (Bazel, Nix, OSTree), 1980 (zip), 1985 (npm).
 */
const oldestMs = Date.UTC(1991, 7, 6);

/** Whether a time can be that of a change: one that a tool has set stays where it is when the content changes. */
const tells = (ms: number, nowMs: number): boolean => ms >= oldestMs && Math.floor(ms) <= nowMs;

/**
 * A tag of what the kernel alone sets, for files whose time of modification says nothing: when the inode was changed, and
 * which one it is. Another machine has another tag for the same content, which costs an answer and no more. Images
 * that are read-only keep a builder's time there, too; then there is no tag.
 */
function inodeTag({ size, ino, ctimeMs }: Stats, nowMs: number): string | undefined {
  if (!tells(ctimeMs, nowMs)) return undefined;
  return `W/"${[size, ino, Math.trunc(ctimeMs * 1000)].map((number) => number.toString(16)).join("-")}"`;
}

/** Tags are weak: size and time say nothing sure of the bytes. Each coding of a file has its own. */
export function validatorsOf(stats: Stats, coding: string | undefined, nowMs: number): Validators {
  const { mtimeMs, mtime } = stats;
  const isTelling = tells(mtimeMs, nowMs);
  const tag = isTelling ? etag(stats) : inodeTag(stats, nowMs);
  const changed = isTelling ? mtime.toUTCString() : undefined;
  return {
    etag: coding === undefined ? tag : tag?.replace(/"$/, `-${coding}"`),
    changed,
    // The date of the answer stands for one that is still to come (8.8.2.1).
    lastModified: Math.floor(mtimeMs) > nowMs ? new Date(nowMs).toUTCString() : changed,
  };
}
