/** Conditional requests (RFC 9110, 13). */
import fresh from "fresh";
import type { Validators } from "./validators.ts";

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
