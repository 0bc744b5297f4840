/** How a pair ends: by an ending that its report tells, or by an error that says which of the two failed, and how far it came. */
import { errnoNumber, errnoText } from "../../core/abi/errno.ts";
import { TransferError } from "../../core/error.ts";
import type { ProxyEnding, ProxyFailure, ProxyFlow, ProxySide } from "../../core/proxy-report.ts";
import { codeOf, saysClosed } from "../support/system-error.ts";
import type { Cancellation } from "../transfer/cancellation.ts";
import type { PairEnd, PairOutcome } from "./pair.ts";

const untouched: ProxyFlow = {
  bytes: 0,
  strategy: "portable",
  reason: "it did not start",
  splicedBytes: 0,
  ended: false,
  bytesStranded: 0,
  syscalls: 0,
  waits: 0,
};

export const notStarted: PairOutcome = { aToB: untouched, bToA: untouched, end: "cancelled" };

interface Failure {
  readonly code: string;
  readonly detail: string;
  readonly cause?: unknown;
  readonly proxy: ProxyFailure;
}

export function failure({ code, detail, cause, proxy: flows }: Failure): TransferError {
  const errno = errnoNumber(code);
  const { aToB, bToA } = flows;
  return new TransferError(`Cannot proxy: ${detail}, after ${aToB.bytes} bytes to b and ${bToA.bytes} bytes to a`, {
    code,
    errno: errno > 0 ? errno : undefined,
    bytesTransferred: aToB.bytes + bToA.bytes,
    bytesStranded: aToB.bytesStranded + bToA.bytesStranded,
    proxy: flows,
    cause,
  });
}

export function detailOf(side: string, code: string): string {
  return code === "ERR_SLUICE_CLOSED"
    ? `${side} was closed by its owner (${code})`
    : `${side} failed: ${errnoText(code)} (${code})`;
}

/** A failure of one of the two before they were a pair. */
function early(failed: ProxySide, end: PairEnd, error: unknown): TransferError {
  const cause = end.failure?.() ?? error;
  const code = saysClosed(cause) ? "ERR_SLUICE_CLOSED" : (codeOf(cause) ?? "ERR_SLUICE_FAILED");
  return failure({ code, detail: detailOf(failed, code), cause, proxy: { aToB: untouched, bToA: untouched, failed } });
}

/** Does something with one of the two; what is wrong with the connection is said of it, and how far the pair came: not at all. */
export function withSide<T>(side: ProxySide, end: PairEnd, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw error instanceof TransferError && error.code !== "ERR_SLUICE_UNSUPPORTED" ? early(side, end, error) : error;
  }
}

export async function madeReady(side: ProxySide, end: PairEnd, ready: Promise<unknown>): Promise<void> {
  try {
    await ready;
  } catch (error) {
    throw early(side, end, error);
  }
}

/** Why a pair was stopped from outside: one of its options, or the closing of an end. */
export class Stop {
  readonly #cancellation: Cancellation;
  #ending: ProxyEnding | undefined;
  #closed: ProxySide | undefined;

  constructor(cancellation: Cancellation) {
    this.#cancellation = cancellation;
  }

  by(ending: ProxyEnding): void {
    if (this.#cancellation.outcome() === undefined) this.#ending = ending;
    this.#cancellation.abort(undefined);
  }

  closed(side: ProxySide, error: unknown): void {
    if (this.#cancellation.outcome() === undefined) this.#closed = side;
    this.#cancellation.abort(error);
  }

  get ending(): ProxyEnding | undefined {
    return this.#ending;
  }

  /** The error of a pair that was stopped. */
  error({ aToB, bToA }: Pick<PairOutcome, "aToB" | "bToA">): TransferError {
    const cause = this.#cancellation.outcome()?.cause;
    const failed = this.#closed;
    if (failed === undefined)
      return failure({ code: "ABORT_ERR", detail: "aborted", cause, proxy: { aToB, bToA, failed } });
    const code = codeOf(cause) ?? "ERR_SLUICE_CLOSED";
    return failure({ code, detail: detailOf(failed, code), cause, proxy: { aToB, bToA, failed } });
  }
}

/** The ending of an outcome, or its error thrown. */
export function conclude(outcome: PairOutcome, stop: Stop): ProxyEnding {
  const { aToB, bToA, end, cause, failed } = outcome;
  if (end === "ended" || end === "limit") return end;
  if (end === "cancelled") {
    if (stop.ending !== undefined) return stop.ending;
    throw stop.error(outcome);
  }
  const code = outcome.code ?? "ERR_SLUICE_FAILED";
  throw failure({ code, detail: detailOf(failed ?? "a connection", code), cause, proxy: { aToB, bToA, failed } });
}

/** Endings after which the peers must not take what they have for the whole. */
export function isCut(ending: ProxyEnding | undefined): boolean {
  return ending === undefined || ending === "timeout";
}

/** What has been found wrong with the call, and not with a connection. */
export function isRefusal(error: unknown): boolean {
  return !(error instanceof TransferError) || error.code === "ERR_SLUICE_UNSUPPORTED";
}
