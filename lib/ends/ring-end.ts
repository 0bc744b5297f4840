/** Shared rings as sources and targets. */
import { type Endpoint, endpoint } from "../../core/plan/endpoint.ts";
import type { SharedRing } from "../ring/shared-ring.ts";
import { callFailed } from "../support/system-error.ts";
import type { SourceEnd } from "./source.ts";
import type { TargetEnd } from "./target.ts";

/** A place in the order of a ring's calls: had from `entered` on, until it is left. */
class Turn {
  readonly #ring: SharedRing;
  #leave: () => void = () => {};
  #isHeld = false;
  #entering: Promise<void> | undefined;

  constructor(ring: SharedRing) {
    this.#ring = ring;
  }

  enter(): Promise<void> {
    const left = new Promise<void>((resolve) => (this.#leave = resolve));
    this.#entering = new Promise((resolve) => {
      void this.#ring.queue(() => {
        this.#isHeld = true;
        resolve();
        return left;
      });
    });
    return this.#entering;
  }

  /** Whether nobody else can be at the ring. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  leave(): void {
    this.#isHeld = false;
    this.#leave();
  }
}

/** How long a write of the portable path waits for room at a time. */
const mostWaitMs = 50;

const describe = (): Endpoint => endpoint({ kind: "ring", name: "ring" });

/** What both ends of a transfer have in common. */
class RingEnd {
  protected readonly ring: SharedRing;
  protected readonly turn: Turn;
  #unwatch: () => void = () => {};

  constructor(ring: SharedRing) {
    this.ring = ring;
    this.turn = new Turn(ring);
  }

  /** A ring takes a descriptor's place by its handle, negated. */
  get fd(): number {
    return -this.ring.side.handle;
  }

  keep(): void {
    // An object stays itself.
  }

  inspect(): Endpoint {
    this.ring.side.check("use the ring", 0);
    return describe();
  }

  watch(closed: (error?: unknown) => void): void {
    this.#unwatch = this.ring.side.watch(() => closed());
  }

  end(): undefined {
    this.#unwatch();
    if (this.turn.isHeld) this.ring.side.stopWaiting();
    this.turn.leave();
    return undefined;
  }
}

export class RingSource extends RingEnd implements SourceEnd {
  readonly #stop = new AbortController();

  keepReadable(): void {
    // It is read as it is.
  }

  open(): Promise<void> {
    return this.turn.enter();
  }

  stop(): void {
    // Nobody else reads it: the transfer has its turn.
  }

  read(max: number): Promise<Uint8Array | undefined> {
    return this.ring.readNow(max, this.#stop.signal);
  }

  override end(): undefined {
    // A read that was given up waits no more.
    this.#stop.abort();
    return super.end();
  }
}

export class RingTarget extends RingEnd implements TargetEnd {
  readonly idleTimeoutMs = 0;
  readonly buffers = false;
  readonly isOpen = true;

  enter(): Promise<void> {
    return this.turn.enter();
  }

  open(): undefined {
    return undefined;
  }

  empty(): undefined {
    return undefined;
  }

  async write(bytes: Uint8Array): Promise<number> {
    const { side } = this.ring;
    const atOnce = side.tryWrite(bytes, 0);
    if (atOnce !== undefined) return atOnce;
    // For a moment only: a write is not raced against a cancellation, which is looked for in between.
    const timer = setTimeout(() => side.stopWaiting(), mostWaitMs);
    try {
      const room = Math.min(bytes.byteLength, this.ring.capacity / 2);
      await side.wait({ what: "write to the ring", flag: "wait_room", bytes: room });
    } finally {
      clearTimeout(timer);
    }
    const written = side.tryWrite(bytes, 0);
    if (written !== undefined) return written;
    throw callFailed("write to the ring", "write", "EAGAIN");
  }

  touch(): void {
    // No time-outs here.
  }
}
