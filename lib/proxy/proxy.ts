/** One proxied pair, from its arguments to its report. */
import type { Native } from "../../core/abi/abi.ts";
import { errnoNumber, errnoText } from "../../core/abi/errno.ts";
import { argumentError, TransferError } from "../../core/error.ts";
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
} from "../../core/proxy.ts";
import type { ProxyEnd } from "../api.ts";
import { Cancellation } from "../transfer/cancellation.ts";
import type { Machine } from "../engine/machine.ts";
import { asTransferError, codeOf, saysClosed } from "../support/system-error.ts";
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
  const [left, right] = [
    withSide("a", a, () => describe(a, "a", native)),
    withSide("b", b, () => describe(b, "b", native)),
  ];
  const choice = chooseProxy(left, right, request, canSplice);
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

const notStarted: PairOutcome = { aToB: untouched, bToA: untouched, end: "cancelled" };

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

function detailOf(side: string, code: string): string {
  return code === "ERR_SLUICE_CLOSED"
    ? `${side} was closed by its owner (${code})`
    : `${side} failed: ${errnoText(code)} (${code})`;
}

/** A failure of one of the two before they were a pair. */
function early(failed: ProxySide, end: ProxyConnection, error: unknown): TransferError {
  const cause = end.failure() ?? error;
  const code = saysClosed(cause) ? "ERR_SLUICE_CLOSED" : (codeOf(cause) ?? "ERR_SLUICE_FAILED");
  return failure({ code, detail: detailOf(failed, code), cause, proxy: { aToB: untouched, bToA: untouched, failed } });
}

/** Does something with one of the two; what is wrong with the connection is said of it, and how far the pair came: not at all. */
function withSide<T>(side: ProxySide, end: ProxyConnection, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw error instanceof TransferError && error.code !== "ERR_SLUICE_UNSUPPORTED" ? early(side, end, error) : error;
  }
}

async function madeReady(side: ProxySide, end: ProxyConnection, ready: Promise<unknown>): Promise<void> {
  try {
    await ready;
  } catch (error) {
    throw early(side, end, error);
  }
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
    return failure({ code, detail: detailOf(failed, code), cause, proxy: { aToB, bToA, failed } });
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
  throw failure({ code, detail: detailOf(failed ?? "a connection", code), cause, proxy: { aToB, bToA, failed } });
}

/** Endings after which the peers must not take what they have for the whole. */
function isCut(ending: ProxyEnding | undefined): boolean {
  return ending === undefined || ending === "timeout";
}

/** What has been found wrong with the call, and not with a connection. */
function isRefusal(error: unknown): boolean {
  return !(error instanceof TransferError) || error.code === "ERR_SLUICE_UNSUPPORTED";
}

/** One call of proxy(). */
class Proxying {
  readonly #machine: Machine;
  readonly #ends: Sides;
  readonly #request: ProxyRequest;
  readonly #onProgress: ProxyOptions["onProgress"];
  readonly #cancellation: Cancellation;
  readonly #stop: Stop;
  readonly #clock: PairClock;
  readonly #startedAt: number;
  #pair: Pair | undefined;

  constructor(machine: Machine, ends: Sides, request: ProxyRequest, options: ProxyOptions, startedAt: number) {
    this.#machine = machine;
    this.#ends = ends;
    this.#request = request;
    this.#onProgress = options.onProgress;
    this.#cancellation = new Cancellation(options.signal);
    this.#stop = new Stop(this.#cancellation);
    this.#startedAt = startedAt;
    this.#clock = new PairClock(request, startedAt, () => this.#stop.by("timeout"));
  }

  async run(): Promise<ProxyReport> {
    let ending: ProxyEnding | undefined;
    let refused = false;
    try {
      await this.#gather();
      const outcome = this.#cancellation.outcome() === undefined ? await this.#move() : notStarted;
      ending = this.#proven(conclude(outcome, this.#stop), outcome);
      const { aToB, bToA } = outcome;
      if (this.#pair !== undefined) this.#onProgress?.({ aToB: aToB.bytes, bToA: bToA.bytes });
      return { aToB, bToA, end: ending, durationNs: Math.round((performance.now() - this.#startedAt) * 1e6) };
    } catch (error) {
      refused = this.#pair === undefined && isRefusal(error);
      throw asTransferError(error);
    } finally {
      this.#clock.stop();
      this.#cancellation.dispose();
      const cut = isCut(ending);
      this.#pair?.close(cut);
      for (const side of sides) {
        if (refused) this.#ends[side].giveBack();
        else this.#ends[side].close(cut);
      }
    }
  }

  /** Claims both, and waits until they can be used. */
  async #gather(): Promise<void> {
    for (const side of sides) {
      const end = this.#ends[side];
      withSide(side, end, () => end.claim(this.#machine.native));
    }
    const waits: Promise<void>[] = [];
    for (const side of sides) {
      const end = this.#ends[side];
      // One that is reset while the other one is waited for ends both.
      end.watch(
        (error) => this.#stop.closed(side, error),
        () => this.#pair?.peerHasEnded(side) ?? true,
      );
      const ready = end.ready();
      if (ready !== undefined) waits.push(madeReady(side, end, ready));
    }
    if (waits.length === 0) return;
    for (const side of sides) this.#ends[side].source.listen?.();
    await this.#cancellation.wait(Promise.all(waits));
  }

  async #move(): Promise<PairOutcome> {
    const choice = choose(this.#machine, this.#ends, this.#request);
    const pair = openPair(this.#machine, this.#ends, this.#request, choice);
    this.#pair = pair;
    for (const side of sides) this.#ends[side].own();
    this.#cancellation.onCancel(() => pair.stop());
    this.#clock.watchIdle(pair, this.#request.idleTimeoutMs, () => this.#stop.by("idle"));
    const tell = this.#onProgress;
    if (tell !== undefined) this.#clock.watchProgress(pair, (bytes) => this.#tell(tell, bytes));
    return await pair.run();
  }

  /** The ending, where the engine was the only reader of both. */
  #proven(ending: ProxyEnding, { aToB, bToA }: PairOutcome): ProxyEnding {
    for (const failed of sides)
      try {
        this.#ends[failed].verify(aToB.bytes + bToA.bytes);
      } catch (cause) {
        const code = codeOf(cause) ?? "ERR_SLUICE_CHANGED";
        throw failure({ code, detail: detailOf(failed, code), cause, proxy: { aToB, bToA, failed } });
      }
    return ending;
  }

  #tell(tell: (bytes: ProxyProgress) => void, bytes: ProxyProgress): void {
    try {
      tell(bytes);
    } catch (error) {
      // Out of a timer it would end the process.
      this.#cancellation.abort(error);
    }
  }
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
  const ends: Sides = { a: connectionOf(a, "a", machine), b: connectionOf(b, "b", machine) };
  return await new Proxying(machine, ends, request, options, startedAt).run();
}
