/** How long the event loop of this process kept its timers waiting. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";

export interface Delay {
  readonly p99Ms: number;
  readonly worstMs: number;
}

const resolutionMs = 1;

/**
 * Starts watching; the function that comes back stops it. The timer fires before the work and after it, so that work
 * which never lets it fire counts in full; its own interval is deducted.
 */
export async function watchEventLoop(): Promise<() => Promise<Delay>> {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs });
  const beyondInterval = (ns: number) => Math.max(0, ns / 1e6 - resolutionMs);
  histogram.enable();
  await sleep(5 * resolutionMs);
  histogram.reset();
  return async () => {
    await sleep(5 * resolutionMs);
    histogram.disable();
    return { p99Ms: beyondInterval(histogram.percentile(99)), worstMs: beyondInterval(histogram.max) };
  };
}
