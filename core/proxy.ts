/** What a proxied pair of connections is asked for, and what it reports. */
import { argumentError, shown } from "./error.ts";
import { checkKnown, type Names } from "./options.ts";
import { type AbortSignalLike, type ByteCount, checkSignal, optionalCount } from "./transfer/request.ts";

/** The two ends of a pair, by the names of the arguments. */
export type ProxySide = "a" | "b";

/**
 * How the bytes of a direction move. "splice": by the engine, received and sent through a buffer while there are few of
 * them and by splice(2) once there are many. "buffered": by the engine, through a buffer alone. "portable": by the runtime.
 */
export type ProxyStrategy = "splice" | "buffered" | "portable";

/** Bytes of each direction. */
export interface ProxyProgress {
  readonly aToB: number;
  readonly bToA: number;
}

export interface ProxyOptions {
  /** Aborts: the promise rejects with an AbortError and both connections are reset. */
  readonly signal?: AbortSignalLike | undefined;
  /** Ends the pair when no byte has moved in either direction for so many milliseconds. Default 0: never. */
  readonly idleTimeoutMs?: number | undefined;
  /** Ends the pair so many milliseconds after the call, whatever moves. Default 0: never. */
  readonly timeoutMs?: number | undefined;
  /** Most bytes of each direction. The pair ends when one direction has moved as many and has more. Default: no limit. */
  readonly maxBytes?: ByteCount | Partial<Record<keyof ProxyProgress, ByteCount>> | undefined;
  /** Bytes that go to b before anything of a's, such as a PROXY protocol header. They count nowhere. */
  readonly head?: Uint8Array | undefined;
  /** Called with the bytes moved so far, at most about ten times a second, and once at the end. */
  readonly onProgress?: ((bytes: ProxyProgress) => void) | undefined;
  /** "auto", or one mechanism. What is forced is never swapped for another. */
  readonly strategy?: "auto" | ProxyStrategy | undefined;
  /** `false` forbids the portable path: `ERR_SLUICE_UNSUPPORTED`, and both connections stay open. Default true. */
  readonly fallback?: boolean | undefined;
  /**
   * The engine keeps both connections, and the runtime's own sockets are destroyed as soon as it has them (their 'close'
   * comes early, without an end of the connection), so that a pair costs two descriptors instead of four. Default false.
   */
  readonly adopt?: boolean | undefined;
}

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

export const proxyOptions: Names<ProxyOptions> = {
  signal: true,
  idleTimeoutMs: true,
  timeoutMs: true,
  maxBytes: true,
  head: true,
  onProgress: true,
  strategy: true,
  fallback: true,
  adopt: true,
};
const directions: Names<ProxyProgress> = { aToB: true, bToA: true };

/** Checked options. */
export interface ProxyRequest {
  readonly idleTimeoutMs: number;
  readonly timeoutMs: number;
  /** Infinity: no limit. */
  readonly mostAToB: number;
  readonly mostBToA: number;
  readonly head: Uint8Array;
  readonly strategy: "auto" | ProxyStrategy;
  readonly fallback: boolean;
  readonly adopt: boolean;
}

/** Longest time-out of a runtime's timers. */
const mostMs = 0x7fffffff;

/** A time-out; 0 and Infinity, which is told as 0, are for ever. @throws TypeError, RangeError */
export function milliseconds(name: string, value: unknown): number {
  if (value === undefined || value === Infinity) return 0;
  if (typeof value !== "number")
    throw argumentError("ERR_INVALID_ARG_TYPE", `${name} must be a number of milliseconds, got ${typeof value}`);
  if (!Number.isInteger(value) || value < 0 || value > mostMs)
    throw argumentError("ERR_OUT_OF_RANGE", `${name} must be a whole number from 0 to ${mostMs}, got ${value}`);
  return value;
}

function most(direction: keyof ProxyProgress, value: ProxyOptions["maxBytes"]): number {
  if (typeof value === "object") checkKnown(value, directions);
  const own = typeof value === "object" && value !== null ? value[direction] : value;
  return own === Infinity ? Infinity : (optionalCount("maxBytes", own) ?? Infinity);
}

function flag(name: string, value: unknown, otherwise: boolean): boolean {
  if (value === undefined) return otherwise;
  if (typeof value !== "boolean")
    throw argumentError("ERR_INVALID_ARG_TYPE", `${name} must be a boolean, got ${typeof value}`);
  return value;
}

const proxyStrategies: readonly (string | undefined)[] = ["auto", "splice", "buffered", "portable", undefined];

/**
 * Checks the options of a proxied pair.
 *
 * @throws TypeError, RangeError for values of a wrong type or range
 */
export function checkProxyOptions(options: ProxyOptions = {}): ProxyRequest {
  checkKnown(options, proxyOptions);
  checkSignal(options.signal);
  const { onProgress, head, strategy } = options;
  if (onProgress !== undefined && typeof onProgress !== "function")
    throw argumentError("ERR_INVALID_ARG_TYPE", `onProgress must be a function, got ${typeof onProgress}`);
  if (head !== undefined && !(head instanceof Uint8Array))
    throw argumentError("ERR_INVALID_ARG_TYPE", `head must be a Uint8Array, got ${shown(head)}`);
  if (!proxyStrategies.includes(strategy))
    throw argumentError(
      "ERR_INVALID_ARG_VALUE",
      `strategy must be "auto", "splice", "buffered" or "portable", got ${shown(strategy)}`,
    );
  const fallback = flag("fallback", options.fallback, true);
  if (strategy === "portable" && !fallback)
    throw argumentError("ERR_INVALID_ARG_VALUE", 'fallback: false excludes the strategy "portable"');
  return {
    idleTimeoutMs: milliseconds("idleTimeoutMs", options.idleTimeoutMs),
    timeoutMs: milliseconds("timeoutMs", options.timeoutMs),
    mostAToB: most("aToB", options.maxBytes),
    mostBToA: most("bToA", options.maxBytes),
    head: head ?? new Uint8Array(0),
    strategy: strategy ?? "auto",
    fallback,
    adopt: flag("adopt", options.adopt, false),
  };
}

/** What choosing needs to know of an end. */
export interface ProxyEndpoint {
  readonly name: string;
  /** Why the engine can't reach it, or undefined. */
  readonly withoutFd: string | undefined;
  /** O_NONBLOCK on its open file description: splice(2) has no flag that keeps it from waiting for a socket. */
  readonly nonblocking: boolean;
}

/** The mechanism of a pair, with its reason. */
export interface ProxyChoice {
  readonly strategy: ProxyStrategy;
  readonly reason: string;
}

/** Chooses what a pair is moved by; `strategy` forced by the request is refused where it can't be had. */
export function chooseProxy(
  a: ProxyEndpoint,
  b: ProxyEndpoint,
  request: Pick<ProxyRequest, "strategy" | "fallback">,
  canSplice: boolean,
): ProxyChoice | { readonly refusal: string } {
  const forced = request.strategy === "auto" ? undefined : request.strategy;
  if (forced === "portable") return { strategy: "portable", reason: "asked for" };
  const hidden = [a, b].find(({ withoutFd }) => withoutFd !== undefined);
  if (hidden?.withoutFd !== undefined)
    return forced === undefined && request.fallback
      ? { strategy: "portable", reason: hidden.withoutFd }
      : { refusal: hidden.withoutFd };
  const blocking = [a, b].find(({ nonblocking }) => !nonblocking);
  const unfit =
    blocking !== undefined ? `${blocking.name} is in blocking mode` : canSplice ? undefined : "no splice(2)";
  if (forced === "buffered") return { strategy: "buffered", reason: "asked for" };
  if (unfit === undefined) return { strategy: "splice", reason: "both are sockets in non-blocking mode" };
  return forced === "splice" ? { refusal: unfit } : { strategy: "buffered", reason: unfit };
}
