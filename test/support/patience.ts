/**
 * Whether a process hangs, decided from what it was seen to do. A limit says how long a process may do nothing, not how
 * fast it has to be: on a crowded machine everything takes longer, and nothing is wrong with it.
 */

/** What a process, and all that it started, had done at a moment. */
export interface Sample {
  readonly atMs: number;
  /** Characters written to its output. */
  readonly written: number;
  /** CPU time, of those that have ended too. */
  readonly cpuMs: number;
  /** Those that run. */
  readonly pids: ReadonlySet<number>;
}

/** What has been seen so far. */
export interface Watch {
  readonly last: Sample;
  readonly spentMs: number;
  /** Time in which it did nothing, since it last wrote. */
  readonly idleMs: number;
  /** CPU time since it last wrote. */
  readonly burntMs: number;
}

/** One that has something to compute is taken to get at least this share of a core. */
const leastShare = 1 / 20;

/** How often the limit may be computed for without a word: turning for ever is hanging, too. Threads add up, sanitizers are slow. */
const burning = 3;

/** How often the limit it may take in all, whatever it does. */
const enduring = 10;

/** Time without a sample, beyond this, says nothing of the process: it was the watcher that stood still. */
const blindMs = 5_000;

export function beginWatch(sample: Sample): Watch {
  return { last: sample, spentMs: 0, idleMs: 0, burntMs: 0 };
}

export function nextWatch({ last, spentMs, idleMs, burntMs }: Watch, sample: Sample): Watch {
  const elapsed = Math.min(sample.atMs - last.atMs, blindMs);
  const spent = spentMs + elapsed;
  if (sample.written > last.written) return { last: sample, spentMs: spent, idleMs: 0, burntMs: 0 };
  // The time of a child that ends without being waited for is lost.
  const cpuMs = Math.max(0, sample.cpuMs - last.cpuMs);
  const isStarting = [...sample.pids].some((pid) => !last.pids.has(pid));
  const idle = isStarting ? 0 : Math.max(0, elapsed - cpuMs / leastShare);
  return { last: sample, spentMs: spent, idleMs: idleMs + idle, burntMs: burntMs + cpuMs };
}

/** Why the process is taken to hang, if it is. */
export function judgeWatch({ spentMs, idleMs, burntMs }: Watch, limitMs: number): string | undefined {
  if (idleMs > limitMs) return `it did nothing for ${Math.round(idleMs)} ms`;
  if (burntMs > limitMs * burning) return `it used ${Math.round(burntMs)} ms of CPU time without a word`;
  return spentMs > limitMs * enduring ? `it took more than ${enduring} times its limit` : undefined;
}
