/** One proxied pair, from its arguments to its report. */
import type { Native } from "../../../core/abi.ts";
import { errnoNumber, errnoText } from "../../../core/errno.ts";
import { argumentError, TransferError } from "../../../core/error.ts";
import {
  checkProxyOptions,
  chooseProxy,
  type ProxyChoice,
  type ProxyEnding,
  type ProxyFailure,
  type ProxyFlow,
  type ProxyOptions,
  type ProxyProgress,
  type ProxyReport,
  type ProxyRequest,
  type ProxySide,
} from "../../../core/proxy.ts";
import type { ProxyEnd } from "../api.ts";
import { Cancellation } from "../cancellation.ts";
import type { Machine } from "../machine.ts";
import { asTransferError, codeOf } from "../system-error.ts";
import { connectionOf, isConnection, type ProxyConnection } from "./connection.ts";
import { PairClock } from "./limits.ts";
import type { Pair, PairOutcome } from "./pair.ts";
import { NativePair } from "./native-pair.ts";
import { PortablePair } from "./portable-pair.ts";

type Sides = Readonly<Record<ProxySide, ProxyConnection>>;

const sides = ["a", "b"] as const;

function unsupported(refusal: string): TransferError {
  return new TransferError(`Cannot proxy: ${refusal}`, { code: "ERR_SLUICE_UNSUPPORTED" });
}

/** What an end is, as far as choosing needs to know. Throws where it is no connection. */
function describe({ source }: ProxyConnection, side: ProxySide, native: Native | string) {
  const end = source.inspect(native);
  if (!isConnection(end))
    throw argumentError("ERR_INVALID_ARG_VALUE", `${side} must be a connected stream socket, got ${end.name}`);
  return {
    name: `${side} (${end.name})`,
    withoutFd: end.fd ? undefined : (end.withoutFd ?? "there is no descriptor"),
    nonblocking: end.nonblocking,
  };
}

function choose({ native, capabilities }: Machine, { a, b }: Sides, request: ProxyRequest): ProxyChoice {
  const canSplice = capabilities.of("splice").ability === "yes";
  const choice = chooseProxy(describe(a, "a", native), describe(b, "b", native), request, canSplice);
  if ("refusal" in choice) throw unsupported(choice.refusal);
  return choice;
}

function openPair({ engine }: Machine, ends: Sides, request: ProxyRequest, choice: ProxyChoice): Pair {
  if (engine === undefined || choice.strategy === "portable") return new PortablePair(ends.a, ends.b, request, choice);
  return new NativePair(engine, ends, request, choice);
}

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

interface Failure {
  readonly code: string;
  readonly detail: string;
  readonly cause?: unknown;
  readonly proxy: ProxyFailure;
}

function failure({ code, detail, cause, proxy: flows }: Failure): TransferError {
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

/** Why a pair was stopped from outside: one of its options, or the closing of an end. */
class Stop {
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
    return failure({
      code,
      detail: `${failed} was closed by its owner (${code})`,
      cause,
      proxy: { aToB, bToA, failed },
    });
  }
}

/** The ending of an outcome, or its error thrown. */
function conclude(outcome: PairOutcome, stop: Stop): ProxyEnding {
  const { aToB, bToA, end, cause, failed } = outcome;
  if (end === "ended" || end === "limit") return end;
  if (end === "cancelled") {
    if (stop.ending !== undefined) return stop.ending;
    throw stop.error(outcome);
  }
  const code = outcome.code ?? "ERR_SLUICE_FAILED";
  const side = failed ?? "a connection";
  const detail =
    code === "ERR_SLUICE_CLOSED"
      ? `${side} was closed by its owner (${code})`
      : `${side} failed: ${errnoText(code)} (${code})`;
  throw failure({ code, detail, cause, proxy: { aToB, bToA, failed } });
}

/** Endings after which the peers must not take what they have for the whole. */
function isCut(ending: ProxyEnding | undefined): boolean {
  return ending === undefined || ending === "timeout";
}

/**
 * Joins two connections; see the entry of each runtime for the contract.
 */
export async function proxy(
  machine: Machine,
  a: ProxyEnd,
  b: ProxyEnd,
  options: ProxyOptions = {},
): Promise<ProxyReport> {
  const startedAt = performance.now();
  const request = checkProxyOptions(options);
  if (a === b) throw argumentError("ERR_INVALID_ARG_VALUE", "a and b must be two connections");
  const ends: Sides = { a: connectionOf(a, "a", machine.runtime), b: connectionOf(b, "b", machine.runtime) };
  const cancellation = new Cancellation(options.signal);
  const stop = new Stop(cancellation);
  const clock = new PairClock(request, startedAt, () => stop.by("timeout"));
  let pair: Pair | undefined;
  let ending: ProxyEnding | undefined;
  try {
    for (const side of sides) ends[side].claim(machine.native);
    const waits = sides.map((side) => ends[side].ready()).filter((wait) => wait !== undefined);
    if (waits.length > 0) await cancellation.wait(Promise.all(waits));
    const early = cancellation.outcome() === undefined ? undefined : { aToB: untouched, bToA: untouched };
    if (early !== undefined) {
      if (stop.ending === undefined) throw stop.error(early);
      ending = stop.ending;
      return { ...early, end: stop.ending, durationNs: Math.round((performance.now() - startedAt) * 1e6) };
    }
    const choice = choose(machine, ends, request);
    const running = openPair(machine, ends, request, choice);
    pair = running;
    for (const side of sides)
      ends[side].watch(
        (error) => stop.closed(side, error),
        () => running.peerHasEnded(side),
      );
    cancellation.onCancel(() => running.stop());
    clock.watchIdle(running, request.idleTimeoutMs, () => stop.by("idle"));
    const tell = (bytes: ProxyProgress): void => {
      try {
        options.onProgress?.(bytes);
      } catch (error) {
        // Out of a timer it would end the process.
        cancellation.abort(error);
      }
    };
    if (options.onProgress !== undefined) clock.watchProgress(running, tell);
    const outcome = await running.run();
    ending = conclude(outcome, stop);
    if (options.onProgress !== undefined) options.onProgress({ aToB: outcome.aToB.bytes, bToA: outcome.bToA.bytes });
    const { aToB, bToA } = outcome;
    return { aToB, bToA, end: ending, durationNs: Math.round((performance.now() - startedAt) * 1e6) };
  } catch (error) {
    throw asTransferError(error);
  } finally {
    clock.stop();
    cancellation.dispose();
    pair?.close(isCut(ending));
    for (const side of sides) ends[side].close();
  }
}
