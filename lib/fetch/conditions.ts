/** What tells one version of a file from another (RFC 9110, 8.8), and the conditions that requests make of it (13). */
// @ts-types="@types/etag"
import createTag from "etag";
// @ts-types="@types/fresh"
import fresh from "fresh";
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
  const tag = isTelling ? createTag(stats) : inodeTag(stats, nowMs);
  const changed = isTelling ? mtime.toUTCString() : undefined;
  return {
    etag: coding === undefined ? tag : tag?.replace(/"$/, `-${coding}"`),
    changed,
    // The date of the answer stands for one that is still to come (8.8.2.1).
    lastModified: Math.floor(mtimeMs) > nowMs ? new Date(nowMs).toUTCString() : changed,
  };
}

/** A date of HTTP in milliseconds; NaN for nonsense and for none, which compares as false and is thereby ignored. */
const time = (date: string | null | undefined): number => Date.parse(date ?? "");

/** If-Match compares strongly (13.1.1), which no weak tag passes: only "*" does. */
function isPreconditionFailed(headers: Headers, { lastModified }: Validators): boolean {
  const match = headers.get("if-match");
  if (match !== null) return match.trim() !== "*";
  return time(lastModified) > time(headers.get("if-unmodified-since"));
}

function isFresh(headers: Headers, { etag, changed }: Validators): boolean {
  const field = (name: string) => headers.get(name) ?? undefined;
  return fresh(
    {
      "if-none-match": field("if-none-match"),
      "if-modified-since": field("if-modified-since"),
      "cache-control": field("cache-control"),
    },
    { etag, "last-modified": changed },
  );
}

/** The status that the conditions of a GET or HEAD ask for, in the order of 13.2.2; undefined: go on. */
export function evaluateConditions(headers: Headers, validators: Validators): 304 | 412 | undefined {
  if (isPreconditionFailed(headers, validators)) return 412;
  return isFresh(headers, validators) ? 304 : undefined;
}

/** How long ago a file must have changed for its time to tell its versions apart (8.8.2.2). Milliseconds. */
const strongAgeMs = 1000;

/** Whether a range may be sent for If-Range: never by a weak tag, and by a date only where that is exact (13.1.5). */
export function mayBeRanged(headers: Headers, { changed }: Validators, nowMs: number): boolean {
  const ifRange = headers.get("if-range");
  if (ifRange === null) return true;
  return ifRange.trim() === changed && nowMs - time(changed) >= strongAgeMs;
}
