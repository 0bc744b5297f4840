/** A pair that the engine moves: one submission, one outcome, however many bytes and years lie between. */
import { pairEnds } from "../../core/abi/abi.ts";
import { errnoName } from "../../core/abi/errno.ts";
import type { ProxyChoice, ProxyFlow, ProxyProgress, ProxyRequest, ProxySide } from "../../core/proxy.ts";
import type { Engine, PairFields } from "../engine/engine.ts";
import { callFailed, codeOf } from "../support/system-error.ts";
import type { ProxyConnection } from "./connection.ts";
import type { Pair, PairOutcome } from "./pair.ts";

const endNames = {
  [pairEnds.ended]: "ended",
  [pairEnds.limit]: "limit",
  [pairEnds.stopped]: "cancelled",
  [pairEnds.failed]: "error",
} as const;

const sides = ["a", "b"] as const;
const sideNames: readonly (ProxySide | undefined)[] = [undefined, "a", "b"];
const hungUpBits = { a: 1, b: 2 } as const;
const endedBits = { b: 1, a: 2 } as const;

const nothingMoved = { bytes: 0, splicedBytes: 0, ended: false, bytesStranded: 0, syscalls: 0, waits: 0 };

function flowOf(fields: PairFields, to: ProxySide, { strategy, reason }: ProxyChoice): ProxyFlow {
  return {
    bytes: fields(`to_${to}_bytes`),
    strategy,
    reason,
    splicedBytes: fields(`to_${to}_spliced`),
    ended: (fields("ended") & endedBits[to]) !== 0,
    bytesStranded: fields(`to_${to}_stranded`),
    syscalls: fields(`to_${to}_syscalls`),
    waits: fields(`to_${to}_waits`),
  };
}

function outcomeOf(fields: PairFields, choice: ProxyChoice): PairOutcome {
  const error = fields("error");
  return {
    aToB: flowOf(fields, "b", choice),
    bToA: flowOf(fields, "a", choice),
    end: endNames[fields("end") as keyof typeof endNames],
    ...(error > 0 && { code: errnoName(error) }),
    failed: sideNames[fields("failed")],
  };
}

function failureOf(failed: ProxySide, cause: unknown): Pick<PairOutcome, "end" | "code" | "failed" | "cause"> {
  return { end: "error", code: codeOf(cause) ?? "ERR_SLUICE_FAILED", failed, cause };
}

export class NativePair implements Pair {
  readonly #engine: Engine;
  readonly #handle: number;
  readonly #ends: Readonly<Record<ProxySide, ProxyConnection>>;
  readonly #request: ProxyRequest;
  readonly #choice: ProxyChoice;
  /** What it came to, once that is known. */
  #outcome: PairOutcome | undefined;
  #stopped = false;

  /** Takes duplicates of both descriptors. Throws where that can't be. */
  constructor(
    engine: Engine,
    ends: Readonly<Record<ProxySide, ProxyConnection>>,
    request: ProxyRequest,
    choice: ProxyChoice,
  ) {
    this.#engine = engine;
    this.#ends = ends;
    this.#request = request;
    this.#choice = choice;
    this.#handle = engine.openPair(ends.a.source.fd ?? -1, ends.b.source.fd ?? -1);
    if (this.#handle < 0) throw callFailed("proxy", "fcntl", errnoName(-this.#handle));
    for (const { source } of [ends.a, ends.b]) source.letGo?.();
  }

  async run(): Promise<PairOutcome> {
    const { a, b } = this.#ends;
    const { head, mostAToB, mostBToA } = this.#request;
    // What the runtime has read goes first, and counts as bytes of the connection.
    const ahead = [a, b].filter(({ readsAhead }) => readsAhead);
    if (ahead.length > 0) await Promise.all(ahead.map((connection) => connection.quiet()));
    if (this.#stopped) return this.#notStarted({ end: "cancelled" });
    const failed = sides.find((side) => this.#ends[side].failure() !== undefined);
    // The kernel tells of a reset once: the engine would find the end of the stream.
    if (failed !== undefined) return this.#notStarted(failureOf(failed, this.#ends[failed].failure()));
    const [fromA, fromB] = [a.take(), b.take()];
    for (const connection of this.#request.adopt ? [a, b] : ahead) connection.adopt();
    return new Promise((resolve, reject) => {
      const start = {
        splices: this.#choice.strategy === "splice",
        mostToB: mostAToB,
        mostToA: mostBToA,
        head,
        fromA,
        fromB,
      };
      const started = this.#engine.startPair(this.#handle, start, (fields) => {
        this.#outcome = outcomeOf(fields, this.#choice);
        resolve(this.#outcome);
      });
      if (started < 0) reject(callFailed("proxy", "pthread_create", errnoName(-started)));
    });
  }

  #notStarted(why: Pick<PairOutcome, "end" | "code" | "failed" | "cause">): PairOutcome {
    const flow: ProxyFlow = { ...this.#choice, ...nothingMoved };
    return { aToB: flow, bToA: flow, ...why };
  }

  stop(): void {
    this.#stopped = true;
    this.#engine.stopPair(this.#handle);
  }

  get progress(): ProxyProgress {
    if (this.#outcome !== undefined) return { aToB: this.#outcome.aToB.bytes, bToA: this.#outcome.bToA.bytes };
    const { toB, toA } = this.#engine.pairProgress(this.#handle);
    return { aToB: toB, bToA: toA };
  }

  get idleMs(): number {
    return this.#engine.pairProgress(this.#handle).idleMs;
  }

  peerHasEnded(side: ProxySide): boolean {
    return (this.#engine.pairProgress(this.#handle).hungUp & hungUpBits[side]) !== 0;
  }

  close(reset: boolean): void {
    this.#engine.closePair(this.#handle, reset);
  }
}
