/** A wait. node:timers/promises has one, too, but takes a millisecond of every import. */
import { clearTimeout, setTimeout } from "node:timers";
import type { AbortSignalLike } from "../../core/transfer/request.ts";

export interface DelayOptions {
  /** Whether it keeps the process alive. Default true. */
  readonly ref?: boolean;
  /** Ends the wait when it is aborted, or has been. */
  readonly signal?: AbortSignalLike;
}

/** Resolves after so many milliseconds, or as soon as `signal` is aborted. */
export function delay(ms: number, { ref = true, signal }: DelayOptions = {}): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    if (!ref) timer.unref();
    signal?.addEventListener("abort", end, { once: true });
  });
}
