/** One proxied pair, from its arguments to its report. */
import type { Native } from "../../core/abi/abi.ts";
import { argumentError, TransferError } from "../../core/error.ts";
import {
  checkProxyOptions,
  chooseProxy,
  type ProxyChoice,
  type ProxyOptions,
  type ProxyProgress,
  type ProxyRequest,
} from "../../core/proxy.ts";
import type { ProxyEnding, ProxyReport, ProxySide } from "../../core/proxy-report.ts";
import type { ProxyEnd } from "../api.ts";
import { Cancellation } from "../transfer/cancellation.ts";
import type { Machine } from "../engine/machine.ts";
import { asTransferError, codeOf } from "../support/system-error.ts";
import { isConnection, pairEndOf } from "./pair-ends.ts";
import { conclude, detailOf, failure, isCut, isRefusal, madeReady, notStarted, Stop, withSide } from "./ending.ts";
import { PairClock } from "./pair-clock.ts";
import type { Pair, PairEnd, PairOutcome } from "./pair.ts";
import { NativePair } from "./native-pair.ts";
import { PortablePair } from "./portable-pair.ts";

type Sides = Readonly<Record<ProxySide, PairEnd>>;

const sides = ["a", "b"] as const;

function unsupported(refusal: string): TransferError {
  return new TransferError(`Cannot proxy: ${refusal}`, { code: "ERR_SLUICE_UNSUPPORTED" });
}

/** What an end is, as far as choosing needs to know. Throws where it is no connection. */
function describe({ source }: PairEnd, side: ProxySide, native: Native | string) {
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
      end.watch?.(
        (error) => this.#stop.closed(side, error),
        () => this.#pair?.peerHasEnded(side) ?? true,
      );
      const ready = end.ready?.();
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
    for (const side of sides) this.#ends[side].own?.();
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
        this.#ends[failed].verify?.(aToB.bytes + bToA.bytes);
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
  const ends: Sides = { a: pairEndOf(a, "a", machine), b: pairEndOf(b, "b", machine) };
  return await new Proxying(machine, ends, request, options, startedAt).run();
}
