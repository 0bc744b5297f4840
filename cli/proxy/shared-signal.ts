/** One signal for very many listeners. */
import type { AbortSignalLike } from "../../core/transfer/request.ts";

/** An AbortSignal looks through all its listeners whenever one comes or goes; this one doesn't. */
export class SharedSignal implements AbortSignalLike {
  readonly #listeners = new Set<() => void>();
  #aborted = false;

  get aborted(): boolean {
    return this.#aborted;
  }

  get reason(): undefined {
    return undefined;
  }

  addEventListener(_type: "abort", listener: () => void): void {
    this.#listeners.add(listener);
  }

  removeEventListener(_type: "abort", listener: () => void): void {
    this.#listeners.delete(listener);
  }

  abort(): void {
    this.#aborted = true;
    for (const listener of this.#listeners) listener();
    this.#listeners.clear();
  }
}
