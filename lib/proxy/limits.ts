/** What ends a pair, or tells of it, by the clock. */
import type { ProxyProgress, ProxyRequest } from "../../core/proxy.ts";
import type { Pair } from "./pair.ts";

/** Least time between two calls of onProgress, in milliseconds. */
const progressMs = 100;

/** Most time between two looks at a pair that is silent: there may be ten thousand of them. Milliseconds. */
const quietProgressMs = 3200;

type Timer = ReturnType<typeof setTimeout>;

/**
 * The engine notes when a byte last moved, and is asked no more often than the time-out could have run out: nothing is
 * done for a busy pair, or an idle one, in between.
 */
export class PairClock {
  #idle: Timer | undefined;
  #total: Timer | undefined;
  #progress: Timer | undefined;

  constructor(request: ProxyRequest, startedAt: number, onTimeout: () => void) {
    const left = request.timeoutMs - (performance.now() - startedAt);
    if (request.timeoutMs > 0) this.#total = setTimeout(onTimeout, Math.max(0, left));
  }

  watchIdle(pair: Pair, timeoutMs: number, onIdle: () => void): void {
    if (timeoutMs === 0) return;
    const look = (): void => {
      const left = timeoutMs - pair.idleMs;
      if (left <= 0) onIdle();
      else this.#idle = setTimeout(look, Math.ceil(left));
    };
    this.#idle = setTimeout(look, timeoutMs);
  }

  watchProgress(pair: Pair, tell: (bytes: ProxyProgress) => void): void {
    let seen = 0;
    let delayMs = progressMs;
    const look = (): void => {
      const { progress } = pair;
      const sum = progress.aToB + progress.bToA;
      const silent = sum === seen;
      seen = sum;
      delayMs = silent ? Math.min(2 * delayMs, quietProgressMs) : progressMs;
      this.#progress = setTimeout(look, delayMs);
      if (!silent) tell(progress);
    };
    this.#progress = setTimeout(look, delayMs);
  }

  stop(): void {
    clearTimeout(this.#idle);
    clearTimeout(this.#total);
    clearTimeout(this.#progress);
  }
}
