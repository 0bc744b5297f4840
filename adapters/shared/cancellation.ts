/** The one way in which a transfer is stopped from outside: by its signal, or by the closing of an end. */
import type { Outcome } from "../../core/kernel.ts";
import { nothing } from "../../core/kernel.ts";
import type { AbortSignalLike } from "../../core/request.ts";

type Cause = Pick<Outcome, "closed" | "cause">;

export class Cancellation {
  #cause: Cause | undefined;
  readonly #listeners = new Set<() => void>();
  readonly #signal: AbortSignalLike | undefined;
  readonly #onAbort = () => this.#cancel({ cause: this.#signal?.reason });

  constructor(signal: AbortSignalLike | undefined) {
    this.#signal = signal;
    if (signal?.aborted) this.#onAbort();
    else signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  #cancel(cause: Cause): void {
    if (this.#cause !== undefined) return;
    this.#cause = cause;
    for (const listener of this.#listeners) listener();
    this.#listeners.clear();
  }

  /** To be called when the runtime's object for an end is closed. */
  closed(end: "source" | "target"): void {
    this.#cancel({ closed: end });
  }

  /** The outcome that tells of the cancellation, or undefined while there is none. */
  outcome(bytes = 0): Outcome | undefined {
    return this.#cause && { ...nothing, ...this.#cause, end: "cancelled", bytes };
  }

  onCancel(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Waits for a promise, but no longer than until the cancellation: then undefined. */
  wait<T>(promise: Promise<T>): Promise<T | undefined> {
    if (this.#cause !== undefined) {
      promise.catch(() => {
        // The cancellation is what the caller hears of; what comes after it has no reader.
      });
      return Promise.resolve(undefined);
    }
    return new Promise((resolve, reject) => {
      const stop = () => resolve(undefined);
      this.#listeners.add(stop);
      promise.then(resolve, reject).finally(() => this.#listeners.delete(stop));
    });
  }

  /** Lets go of the signal. */
  dispose(): void {
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#listeners.clear();
  }
}
