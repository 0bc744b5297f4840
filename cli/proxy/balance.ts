/** PURE: which of several upstreams a connection goes to, and for how long one that failed is left alone. */

/** "round-robin": one after the other. "least-connections": the one with the fewest, in turn among equals. */
export const policies = ["round-robin", "least-connections"] as const;

export type Policy = (typeof policies)[number];

/** How long an upstream is left alone after failures in a row, in milliseconds: doubled each time, up to the most. */
export interface HoldOff {
  readonly firstMs: number;
  readonly mostMs: number;
}

export const usualHoldOff: HoldOff = { firstMs: 1000, mostMs: 16_000 };

interface State {
  /** Connections to it, those that are being made among them. */
  active: number;
  /** Connections that could not be made since the last one that could. */
  failures: number;
  /** The clock's reading from which on it may be tried again. */
  heldUntilMs: number;
  /** A connection is being made to it to find out whether it is back. */
  onTrial: boolean;
}

/**
 * Chooses among upstreams, which are numbers from 0. Every `pick()` is followed by `connected()` and then `closed()`, or
 * by `failed()`, or by `abandoned()`. The clock is the caller's, and never goes back.
 */
export class Balancer {
  readonly #policy: Policy;
  readonly #holdOff: HoldOff;
  readonly #states: readonly State[];
  /** Where the next turn begins. */
  #next = 0;

  /** @param count of upstreams, at least one */
  constructor(policy: Policy, count: number, holdOff: HoldOff = usualHoldOff) {
    this.#policy = policy;
    this.#holdOff = holdOff;
    this.#states = Array.from({ length: count }, () => ({ active: 0, failures: 0, heldUntilMs: 0, onTrial: false }));
  }

  /**
   * The upstream to try next, without those that this connection has tried; undefined when it has tried all. One that
   * failed is tried when its time is up, by one connection at first, and before that only where all others are as bad:
   * then the one whose time is up soonest comes first.
   */
  pick(nowMs: number, tried: ReadonlySet<number> = new Set()): number | undefined {
    const untried = this.#inTurn().filter((index) => !tried.has(index));
    const good = untried.filter((index) => this.#isGood(this.#of(index), nowMs));
    const picked = good.length > 0 ? this.#best(good) : least(untried, (index) => this.#of(index).heldUntilMs);
    if (picked === undefined) return undefined;
    const state = this.#of(picked);
    state.active++;
    if (state.failures > 0) state.onTrial = true;
    // A retry takes nobody's turn.
    if (tried.size === 0) this.#next = (picked + 1) % this.#states.length;
    return picked;
  }

  /** The connection was made. */
  connected(index: number): void {
    const state = this.#of(index);
    state.failures = 0;
    state.onTrial = false;
    state.heldUntilMs = 0;
  }

  /** The connection that was made is over. */
  closed(index: number): void {
    this.#of(index).active--;
  }

  /** The connection could not be made. */
  failed(index: number, nowMs: number): void {
    const state = this.#of(index);
    state.active--;
    state.onTrial = false;
    // Of many that were under way together, the first one alone counts.
    if (nowMs < state.heldUntilMs) return;
    const { firstMs, mostMs } = this.#holdOff;
    state.heldUntilMs = nowMs + Math.min(mostMs, firstMs * 2 ** state.failures);
    state.failures++;
  }

  /** The connection was given up for a reason that says nothing about the upstream. */
  abandoned(index: number): void {
    const state = this.#of(index);
    state.active--;
    state.onTrial = false;
  }

  /** Connections to an upstream, those that are being made among them. */
  active(index: number): number {
    return this.#of(index).active;
  }

  #isGood({ failures, heldUntilMs, onTrial }: State, nowMs: number): boolean {
    return failures === 0 || (nowMs >= heldUntilMs && !onTrial);
  }

  #best(candidates: readonly number[]): number | undefined {
    if (this.#policy === "round-robin") return candidates[0];
    return least(candidates, (index) => this.#of(index).active);
  }

  /** All upstreams, beginning with the one whose turn it is. */
  #inTurn(): number[] {
    const count = this.#states.length;
    return Array.from({ length: count }, (_, i) => (this.#next + i) % count);
  }

  #of(index: number): State {
    const state = this.#states[index];
    if (state === undefined) throw new RangeError(`There is no upstream ${index} of ${this.#states.length}`);
    return state;
  }
}

/** The first of those with the least value. */
function least(candidates: readonly number[], valueOf: (index: number) => number): number | undefined {
  return candidates.reduce<number | undefined>(
    (best, index) => (best === undefined || valueOf(index) < valueOf(best) ? index : best),
    undefined,
  );
}
