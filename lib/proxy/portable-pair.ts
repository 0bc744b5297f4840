/** A pair by the runtime's own reads and writes, one chunk at a time. */
import type { ProxyChoice, ProxyFlow, ProxyProgress, ProxyRequest, ProxySide } from "../../core/proxy.ts";
import { Cancellation } from "../transfer/cancellation.ts";
import { chunkBytes, patiently } from "../transfer/portable.ts";
import { codeOf, saysClosed } from "../support/system-error.ts";
import type { ProxyConnection } from "./connection.ts";
import type { Pair, PairOutcome } from "./pair.ts";

class Flow {
  bytes = 0;
  ended = false;
  stranded = 0;
  readonly from: ProxyConnection;
  readonly to: ProxyConnection;
  readonly side: ProxySide;
  readonly most: number;

  constructor(from: ProxyConnection, to: ProxyConnection, side: ProxySide, most: number) {
    this.from = from;
    this.to = to;
    this.side = side;
    this.most = most;
  }

  report({ strategy, reason }: ProxyChoice): ProxyFlow {
    const { bytes, ended, stranded } = this;
    return { bytes, strategy, reason, splicedBytes: 0, ended, bytesStranded: stranded, syscalls: 0, waits: 0 };
  }
}

const other: Readonly<Record<ProxySide, ProxySide>> = { a: "b", b: "a" };

export class PortablePair implements Pair {
  readonly #aToB: Flow;
  readonly #bToA: Flow;
  readonly #head: Uint8Array;
  readonly #choice: ProxyChoice;
  readonly #stop = new Cancellation(undefined);
  #movedAt = performance.now();
  #end: Pick<PairOutcome, "end" | "code" | "failed" | "cause"> = { end: "ended" };

  constructor(a: ProxyConnection, b: ProxyConnection, request: ProxyRequest, choice: ProxyChoice) {
    this.#aToB = new Flow(a, b, "a", request.mostAToB);
    this.#bToA = new Flow(b, a, "b", request.mostBToA);
    this.#head = request.head;
    this.#choice = choice;
  }

  async run(): Promise<PairOutcome> {
    await Promise.all([this.#move(this.#aToB, this.#head), this.#move(this.#bToA)]);
    const [aToB, bToA] = [this.#aToB.report(this.#choice), this.#bToA.report(this.#choice)];
    return { ...this.#end, aToB, bToA };
  }

  #finish(end: Pick<PairOutcome, "end" | "code" | "failed" | "cause">): void {
    if (this.#stop.outcome() !== undefined) return;
    this.#end = end;
    this.#stop.abort(undefined);
  }

  async #move(flow: Flow, head?: Uint8Array): Promise<void> {
    let failed = other[flow.side];
    try {
      if (head !== undefined && head.byteLength > 0) await this.#write(flow, head, () => {});
      for (;;) {
        failed = flow.side;
        const chunk = await patiently(
          async () => (await flow.from.source.read(chunkBytes, undefined)) ?? null,
          this.#stop,
        );
        if (this.#stop.outcome() !== undefined) {
          flow.stranded = chunk?.byteLength ?? 0;
          return;
        }
        failed = other[flow.side];
        if (chunk === null || chunk === undefined) break;
        if (!(await this.#forward(flow, chunk))) return;
      }
      await this.#stop.wait(flow.to.shutdown());
      flow.ended = this.#stop.outcome() === undefined;
    } catch (cause) {
      const code = saysClosed(cause) ? "ERR_SLUICE_CLOSED" : (codeOf(cause) ?? "ERR_SLUICE_FAILED");
      this.#finish({ end: "error", code, failed, cause });
    }
  }

  /** Whether more may follow. */
  async #forward(flow: Flow, chunk: Uint8Array): Promise<boolean> {
    const allowed = Math.min(chunk.byteLength, flow.most - flow.bytes);
    flow.stranded = chunk.byteLength;
    await this.#write(flow, chunk.subarray(0, allowed), (bytes) => {
      flow.bytes += bytes;
      flow.stranded -= bytes;
      this.#movedAt = performance.now();
    });
    if (allowed < chunk.byteLength) this.#finish({ end: "limit" });
    return this.#stop.outcome() === undefined;
  }

  async #write(flow: Flow, bytes: Uint8Array, count: (bytes: number) => void): Promise<void> {
    for (let at = 0; at < bytes.byteLength;) {
      const rest = bytes.subarray(at);
      let isHanded = false;
      const write = async () => {
        isHanded = true;
        return await flow.to.target.write(rest, undefined);
      };
      const n = await patiently(write, this.#stop);
      if (n === undefined) {
        // What a stream was handed is on its way, whatever becomes of the pair.
        if (isHanded && flow.to.target.buffers) count(rest.byteLength);
        return;
      }
      count(n);
      at += n;
    }
  }

  stop(): void {
    this.#finish({ end: "cancelled" });
  }

  get progress(): ProxyProgress {
    return { aToB: this.#aToB.bytes, bToA: this.#bToA.bytes };
  }

  get idleMs(): number {
    return performance.now() - this.#movedAt;
  }

  peerHasEnded(): boolean {
    return true;
  }

  close(reset: boolean): void {
    for (const { from } of [this.#aToB, this.#bToA]) from.close(reset);
  }
}
