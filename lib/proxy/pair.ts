/** Two connections, and what moves bytes between them, by whichever mechanism. */
import type { Native } from "../../core/abi/abi.ts";
import type { ProxyProgress } from "../../core/proxy.ts";
import type { ProxyFlow, ProxySide } from "../../core/proxy-report.ts";
import type { SourceEnd } from "../ends/source.ts";
import type { TargetEnd } from "../ends/target.ts";

/** One of the two connections, whatever kind of object it is. */
export interface PairEnd {
  readonly source: SourceEnd;
  readonly target: TargetEnd;
  /** Tells of a close by the runtime or its user; `peerHasEnded` says whether that is no news. */
  watch?(closed: (error?: unknown) => void, peerHasEnded: () => boolean): void;
  /** Keeps others from what comes, from the call on. The runtime may read on, and so hears of a reset. */
  claim(native: Native | string): void;
  /** Resolves when it is connected and what was written before has left. Undefined: nothing to wait for. */
  ready?(): Promise<unknown> | undefined;
  /** Undoes the claim: the connection is its owner's as it was. */
  giveBack(): void;
  /** Takes off all who have read it until now. */
  own?(): void;
  /** Lets a read that the runtime has begun come to an end, where `readsAhead`. */
  quiet?(): Promise<void>;
  /** The error that has ended it already, which the kernel tells only once. */
  failure?(): unknown;
  /** Stops the runtime from reading and takes what it has read. */
  take(): Uint8Array;
  /** Throws where the runtime has read beside the engine. */
  verify?(moved: number): void;
  /** Tells the peer that no more will come. */
  shutdown(): Promise<void>;
  /** Whether it has to be adopted: nothing else makes the runtime stop reading it. */
  readonly readsAhead: boolean;
  /** Closes the runtime's object, whose descriptor has been duplicated: the connection goes on. */
  adopt?(): void;
  /** Closes it, if that is not done; with `reset`, its peer is to see that it was cut off, where that can be had. */
  close(reset: boolean): void;
}

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
  /** Releases both connections; `reset` makes their peers see an RST where that can be had. */
  close(reset: boolean): void;
}
