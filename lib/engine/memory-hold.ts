/**
 * Memory of JavaScript that the kernel refers to. It is kept until the kernel lets go, also when the transfer is over by
 * then: aborted, failed, or forgotten by its caller. Otherwise the collector could give its pages to something else,
 * and that would go to the peer.
 */
import { errnoNumber } from "../../core/abi/errno.ts";
import type { Job, Outcome } from "../../core/plan/kernel.ts";
import { delay } from "../support/delay.ts";
import type { Cancellation } from "../transfer/cancellation.ts";
import type { TargetEnd } from "../ends/target.ts";
import type { Link } from "./link.ts";

/** How long to wait before a pipe is asked again whether it has been read, in milliseconds. */
const firstLookMs = 1;
const lastLookMs = 50;

/** What is kept though no transfer has it any more. */
const lingering = new Set<MemoryHold>();

export class MemoryHold {
  readonly #link: Link;
  readonly bytes: Uint8Array;
  /** Whether pages of the memory were put into a pipe, which tells nobody when they have been read. */
  #isInPipe = false;
  /** Sends that the kernel has not told the end of. */
  #sends = 0;
  #isTargetClosed = false;

  constructor(link: Link, bytes: Uint8Array) {
    this.#link = link;
    this.bytes = bytes;
  }

  /** What an attempt came to, when a pipe's reader has all of it: only then may the memory change. */
  async confirm({ strategy }: Job, outcome: Outcome, cancellation: Cancellation): Promise<Outcome> {
    this.#sends = outcome.held ?? 0;
    this.#isTargetClosed = outcome.closed === "target";
    this.#isInPipe ||= strategy === "vmsplice" && outcome.bytes > 0;
    if (!this.#isInPipe || outcome.end !== "done") return outcome;
    for (let wait = firstLookMs; this.#unread > 0; wait = Math.min(2 * wait, lastLookMs)) {
      await cancellation.wait(delay(wait));
      const cancelled = cancellation.outcome(outcome.bytes);
      if (cancelled !== undefined) return { ...outcome, ...cancelled, syscalls: outcome.syscalls };
    }
    // Nobody can read the rest any more.
    return this.#link.outstanding < 0
      ? { ...outcome, end: "error", errno: errnoNumber("EPIPE"), failed: "target" }
      : outcome;
  }

  get #unread(): number {
    return this.#isInPipe ? this.#link.outstanding : 0;
  }

  /** Whether the kernel refers to it, and the link has to stay for that. A connection that is closed is broken with its link. */
  get isHeld(): boolean {
    return !this.#isTargetClosed && (this.#sends > 0 || this.#unread > 0);
  }

  /** Closes the link when the kernel has let go, or the target's object is closed: then what it has not sent goes with it. */
  linger(target: TargetEnd): void {
    lingering.add(this);
    target.watch(() => this.#link.close());
    void this.#letGo().then(() => {
      lingering.delete(this);
      this.#link.close();
      return target.end(false, false);
    });
  }

  async #letGo(): Promise<void> {
    if (this.#sends > 0) await this.#link.settle();
    for (let wait = firstLookMs; this.#unread > 0; wait = Math.min(2 * wait, lastLookMs))
      await delay(wait, { ref: false });
  }
}
