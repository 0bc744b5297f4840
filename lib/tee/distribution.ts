/** Whatever gives the bytes of one source to the sources of several transfers. */
import type { Outcome } from "../../core/plan/kernel.ts";
import type { TeeStrategy } from "../../core/tee.ts";
import type { SourceEnd } from "../ends/source.ts";

export interface Distribution {
  readonly strategy: TeeStrategy;
  readonly reason: string;
  /** One for each target. */
  readonly sources: readonly SourceEnd[];
  /** Gives until the source ends, it is stopped, or nobody takes any more. Never rejects. */
  run(): Promise<Outcome>;
  /**
   * The target that takes nothing more, so that no other gets more than `given` bytes. A pipe counts slots: it may be
   * full before it holds as many bytes as it was asked to.
   */
  readonly heldUp?: { readonly index: number; readonly given: number } | undefined;
  /** Stops giving. */
  stop(): void;
  /** Lets the targets' transfers come to the end of their sources. */
  finish(): void;
}
