/** On the engine: a pipe for each target, filled by tee(2) or, where that is not to be had, by read(2) and write(2). */
import { errnoName } from "../../core/abi/errno.ts";
import { type Job, nothing, type Outcome } from "../../core/plan/kernel.ts";
import { strategies } from "../../core/plan/strategies.ts";
import type { TeeRequest } from "../../core/tee.ts";
import type { SourceEnd } from "../ends/source.ts";
import type { Engine } from "../engine/engine.ts";
import { callFailed } from "../support/system-error.ts";
import type { Distribution } from "./distribution.ts";
import { OutletSource } from "./outlet-source.ts";

type Means = "tee" | "buffered";

export class EngineDistribution implements Distribution {
  readonly #engine: Engine;
  readonly #handle: number;
  readonly #means: readonly Means[];
  readonly #offset: number | undefined;
  readonly #length: number | undefined;
  #cancelled = false;
  /** Bytes that all pipes had been given before the running attempt. */
  #given: number;
  strategy: Means;
  reason: string;
  readonly sources: readonly SourceEnd[];

  /**
   * @param fd what is read, which is duplicated
   * @param head what the runtime had read before
   * @throws TransferError `EMFILE` where there are no descriptors for the pipes
   */
  constructor(
    engine: Engine,
    fd: number,
    head: Uint8Array,
    count: number,
    means: readonly Means[],
    { offset, length, lag }: Omit<TeeRequest, "offset"> & { readonly offset: number | undefined },
  ) {
    const { handle, outlets } = engine.openTee(fd, count, lag);
    if (handle < 0) throw callFailed("tee", "pipe2", errnoName(-handle));
    this.#engine = engine;
    this.#handle = handle;
    this.#means = means;
    this.#given = head.byteLength;
    this.#offset = offset;
    this.#length = length === undefined ? undefined : length - head.byteLength;
    this.strategy = means[0] ?? "buffered";
    this.reason = strategies[this.strategy].about;
    this.sources = outlets.map(({ fd: outlet }) => new OutletSource(engine.native, outlet));
    const fed = head.byteLength === 0 ? 0 : engine.feedTee(handle, head);
    if (fed < 0) throw callFailed("tee", "malloc", errnoName(-fed));
  }

  async run(): Promise<Outcome> {
    let sum: Outcome = nothing;
    for (const [index, strategy] of this.#means.entries()) {
      this.strategy = strategy;
      const outcome = await this.#engine.start(this.#handle, this.#job(strategy, sum.bytes));
      this.#given += outcome.bytes;
      sum = {
        ...outcome,
        bytes: sum.bytes + outcome.bytes,
        syscalls: sum.syscalls + outcome.syscalls,
        waits: sum.waits + outcome.waits,
        cpuNs: sum.cpuNs + outcome.cpuNs,
      };
      const code = outcome.end === "error" ? errnoName(outcome.errno) : "";
      const isRefused = strategies[strategy].refusals.has(code) && outcome.stranded === 0;
      if (this.#cancelled || !isRefused || index + 1 === this.#means.length) break;
      this.reason = `${strategies.buffered.about}; tee gave way: it answered ${code}`;
    }
    return sum;
  }

  get heldUp(): { readonly index: number; readonly given: number } | undefined {
    const index = this.#engine.blockedOutlet(this.#handle);
    return index === undefined ? undefined : { index, given: this.#given + this.#engine.progress(this.#handle) };
  }

  #job(strategy: Means, moved: number): Job {
    return {
      strategy,
      offset: this.#offset === undefined ? undefined : this.#offset + moved,
      length: this.#length === undefined ? undefined : this.#length - moved,
      targetOffset: undefined,
      inline: false,
      cache: "normal",
      givesWay: true,
    };
  }

  stop(): void {
    this.#cancelled = true;
    this.#engine.cancel(this.#handle);
  }

  /** Closes the pipes' write ends. */
  finish(): void {
    this.#engine.close(this.#handle);
  }
}
