/** Where the outcomes of one isolate arrive. */
import { errnoName } from "../../core/abi/errno.ts";
import type { Native } from "../../core/abi/abi.ts";
import type { Runtime, Waker } from "../runtime.ts";
import { callFailed } from "../support/system-error.ts";

/** Most records that are taken in one call. */
export const batch = 64;

/** Opens a context for this isolate. Throws TransferError `EMFILE` where no descriptor is left for it. */
export function openContext(native: Native): number {
  const context = native.sluice_context_open();
  if (context < 0) throw callFailed("start the engine", "socketpair", errnoName(-context));
  return context;
}

/** A context of the engine, with which goes what its isolate holds. */
export class Context {
  readonly native: Native;
  readonly #waker: Waker;
  /** What keeps the process alive: attempts under way, and leases that were told to. */
  #references = 0;

  constructor(native: Native, runtime: Runtime, onWake: () => void) {
    this.native = native;
    this.#waker = runtime.openWaker(native, onWake);
  }

  get handle(): number {
    return this.#waker.context;
  }

  ref(): void {
    if (this.#references++ === 0) this.#waker.ref();
  }

  unref(): void {
    if (--this.#references === 0) this.#waker.unref();
  }
}
