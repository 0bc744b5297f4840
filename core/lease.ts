/**
 * PURE: what a change to the source means for a transfer, and what is done when somebody asks for the file while it is
 * under a lease (fcntl(2), F_SETLEASE). That somebody waits in the kernel, so every policy ends in time.
 */
import { type Endpoint, hasPositions } from "./plan/endpoint.ts";
import type { Strategy } from "./plan/kernel.ts";
import { strategies } from "./plan/strategies.ts";

export const consistencies = ["live", "leased", "snapshot"] as const;
/** What the peer gets when the source is changed under way; see `TransferOptions.consistency`. */
export type Consistency = (typeof consistencies)[number];

/** "read": nobody may write or truncate the file unnoticed; "write": nobody may open it at all. */
export type LeaseType = "read" | "write";

/** Go on with the file as it is, end the transfer, or save what is left and go on from the copy. */
export type Decision = "continue" | "stop" | "save";

interface Row {
  /** While bytes have still to be taken from the file. */
  readonly reading: Decision;
  /** When all have been handed over, and the peer has not acknowledged them. */
  readonly handedOver: Decision;
}

/** What each policy does while time is left. Without any, all of them stop: the kernel would take the lease by force. */
const policies = {
  finish: { reading: "continue", handedOver: "continue" },
  abort: { reading: "stop", handedOver: "stop" },
  snapshot: { reading: "save", handedOver: "continue" },
} as const satisfies Record<string, Row>;

/** What to do when the lease is broken; see `TransferOptions.onLeaseBreak`. */
export type OnLeaseBreak = keyof typeof policies;

export const onLeaseBreaks = Object.keys(policies) as readonly OnLeaseBreak[];

/** Decides, when the lease is broken and again when its time is up. Bytes are those not yet taken from the file. */
export function decide(onLeaseBreak: OnLeaseBreak, timeLeftMs: number, bytesLeft: number): Decision {
  if (timeLeftMs <= 0) return "stop";
  return policies[onLeaseBreak][bytesLeft > 0 ? "reading" : "handedOver"];
}

/** Most of the engine's time that is kept free for stopping, in milliseconds. */
const mostReserveMs = 1000;

/** When to stop, in milliseconds after a break: before the engine lets go by itself, which leaves a transfer without its lease. */
export function stopAfterMs(remainingMs: number): number {
  return Math.max(0, remainingMs - Math.min(mostReserveMs, remainingMs / 8));
}

/**
 * Whether a mechanism may leave references to the file's pages with the target, instead of copies: what is written to
 * the file then can still reach the peer.
 */
export function handsOver(strategy: Strategy, source: Endpoint, target: Endpoint): boolean {
  return !hasPositions(target) && strategies[strategy].copied(source, target) !== "yes";
}

/** Why a mechanism can't keep what the policy promises, or undefined where it can. */
export function breaksPromise(
  strategy: Strategy,
  source: Endpoint,
  target: Endpoint,
  { consistency, onLeaseBreak }: { readonly consistency: Consistency; readonly onLeaseBreak: OnLeaseBreak },
): string | undefined {
  if (consistency !== "leased" || onLeaseBreak !== "snapshot" || !handsOver(strategy, source, target)) return undefined;
  return "it hands over pages, which could not be taken back when the lease is broken";
}
