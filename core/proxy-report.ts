/** What a proxied pair of connections reports. */

/** The two ends of a pair, by the names of the arguments. */
export type ProxySide = "a" | "b";

/**
 * How the bytes of a direction move. "splice": by the engine, received and sent through a buffer while there are few of
 * them and by splice(2) once there are many. "buffered": by the engine, through a buffer alone. "portable": by the runtime.
 */
export type ProxyStrategy = "splice" | "buffered" | "portable";

/** What became of one direction. */
export interface ProxyFlow {
  /** Bytes of its source that reached its target. */
  readonly bytes: number;
  /** The mechanism, and why it was that. */
  readonly strategy: ProxyStrategy;
  readonly reason: string;
  /** Bytes that went by splice(2), past every buffer of the process. */
  readonly splicedBytes: number;
  /** Whether its source ended, and its target was told so (shutdown(2), SHUT_WR). */
  readonly ended: boolean;
  /** Bytes taken from its source that did not reach its target. 0 where it ended. */
  readonly bytesStranded: number;
  /** System calls of the engine; 0 for the portable path. */
  readonly syscalls: number;
  /** How often it had to wait for its target to take more. */
  readonly waits: number;
}

/** How a pair came to its end: both directions ended, or one of the options ended it. */
export type ProxyEnding = "ended" | "idle" | "timeout" | "limit";

export interface ProxyReport {
  readonly aToB: ProxyFlow;
  readonly bToA: ProxyFlow;
  readonly end: ProxyEnding;
  /** Wall-clock time from the call, in nanoseconds. */
  readonly durationNs: number;
}

/** How far a pair came that failed: `error.proxy`. */
export interface ProxyFailure {
  readonly aToB: ProxyFlow;
  readonly bToA: ProxyFlow;
  /** The connection that failed, where one did. */
  readonly failed: ProxySide | undefined;
}
