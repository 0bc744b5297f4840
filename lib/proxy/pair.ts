/** Two connections while bytes move between them, by whichever mechanism. */
import type { ProxyFlow, ProxyProgress, ProxySide } from "../../core/proxy.ts";

/** What became of a pair. */
export interface PairOutcome {
  readonly aToB: ProxyFlow;
  readonly bToA: ProxyFlow;
  readonly end: "ended" | "limit" | "cancelled" | "error";
  /** Errno name, or a code of the runtime's, where `end` is "error". */
  readonly code?: string;
  readonly failed?: ProxySide | undefined;
  readonly cause?: unknown;
}

export interface Pair {
  /** Moves bytes until both directions have ended, one has failed, or it is stopped. To be called once. */
  run(): Promise<PairOutcome>;
  /** Makes `run` come to its end: "cancelled". */
  stop(): void;
  readonly progress: ProxyProgress;
  /** Milliseconds since a byte moved. */
  readonly idleMs: number;
  /** Whether the peer of that connection has ended it, so that the pair comes to that end by itself. */
  peerHasEnded(side: ProxySide): boolean;
  /** Lets go of both connections; `reset` makes their peers see an RST where that can be had. */
  close(reset: boolean): void;
}
