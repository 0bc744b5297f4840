/** The one way in which a transfer is stopped from outside: by its signal, or by the closing of an end. */
import type { Outcome } from "../../core/plan/kernel.ts";
import { nothing } from "../../core/plan/kernel.ts";
import type { AbortSignalLike } from "../../core/transfer/request.ts";

interface Watch {
  readonly callbacks: Set<() => void>;
  readonly listener: () => void;
}

const watches = new WeakMap<AbortSignalLike, Watch>();

/** One listener a signal, however many transfers share it: the platform warns of leaks from the eleventh on. */
function listen(signal: AbortSignalLike, callback: () => void): void {
  let watch = watches.get(signal);
  if (watch === undefined) {
    const callbacks = new Set<() => void>();
    watch = { callbacks, listener: () => callbacks.forEach((each) => each()) };
    watches.set(signal, watch);
    signal.addEventListener("abort", watch.listener, { once: true });
  }
  watch.callbacks.add(callback);
}

function unlisten(signal: AbortSignalLike, callback: () => void): void {
  const watch = watches.get(signal);
  watch?.callbacks.delete(callback);
  if (watch === undefined || watch.callbacks.size > 0) return;
  watches.delete(signal);
  signal.removeEventListener("abort", watch.listener);
}

type Cause = Pick<Outcome, "closed" | "leaseBroken" | "cause">;

export class Cancellation {
  #cause: Cause | undefined;
  readonly #listeners = new Set<() => void>();
  readonly #signal: AbortSignalLike | undefined;
  readonly #onAbort = () => this.#cancel({ cause: this.#signal?.reason });

  constructor(signal: AbortSignalLike | undefined) {
    this.#signal = signal;
    if (signal?.aborted) this.#onAbort();
    else if (signal !== undefined) listen(signal, this.#onAbort);
  }

  #cancel(cause: Cause): void {
    if (this.#cause !== undefined) return;
    this.#cause = cause;
    for (const listener of this.#listeners) listener();
    this.#listeners.clear();
  }

  /** To be called when the runtime's object for an end is closed, with the error that closed it, if one did. */
  closed(end: "source" | "target", error?: unknown): void {
    this.#cancel({ closed: end, cause: error ?? undefined });
  }

  /** To be called when the source's lease has to be released, with what else went wrong, if anything did. */
  leaseBroken(cause?: unknown): void {
    this.#cancel({ leaseBroken: true, cause });
  }

  /** Stops the transfer for a reason of our own, which becomes the error's cause. */
  abort(cause: unknown): void {
    this.#cancel({ cause });
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
    if (this.#signal !== undefined) unlisten(this.#signal, this.#onAbort);
    this.#listeners.clear();
  }
}
