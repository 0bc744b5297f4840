/** A file as memory, whatever kind of memory that is. */
import type { ByteCount } from "../../core/options.ts";
import { type Paths, TransferError, withPaths, withPathsIn } from "../../core/error.ts";
import {
  checkWindow,
  type MapRange,
  type MapRequest,
  rangeOf,
  truncatedError,
  windowLimit,
} from "../../core/mapping.ts";
import type { Lease } from "../lease/lease.ts";
import type { MapAdvice, MappedFile, Residency } from "./mapped-file.ts";
import type { Memory } from "./memory.ts";

/** Releases the leases of mappings that were forgotten; views keep the memory, and with it the lease. */
const forgottenLeases = new FinalizationRegistry((lease: Lease) => lease.release());

export class Mapping implements MappedFile {
  readonly length: number;
  readonly lease: Lease | undefined;
  readonly #name: string;
  readonly #paths: Paths;
  readonly #request: MapRequest;
  #memory: Memory | undefined;
  #bytes: Uint8Array | undefined;
  #truncated: number | undefined;

  constructor(name: string, paths: Paths, request: MapRequest, memory: Memory, lease?: Lease) {
    this.#name = name;
    this.#paths = paths;
    this.#request = request;
    this.#memory = memory;
    this.length = memory.length;
    this.lease = lease;
    if (lease !== undefined) forgottenLeases.register(memory, lease);
  }

  /** The memory, while there is one. */
  get #open(): Memory {
    if (this.#memory === undefined)
      throw new TransferError(`Cannot use ${this.#name}: the mapping is closed`, {
        code: "ERR_SLUICE_CLOSED",
        ...this.#paths,
      });
    return this.#memory;
  }

  #range(offset: ByteCount | undefined, length: ByteCount | undefined): MapRange {
    return rangeOf(offset, length, this.length);
  }

  get bytes(): Uint8Array {
    const memory = this.#open;
    checkWindow(this.length);
    return (this.#bytes ??= memory.view({ start: 0, end: this.length }));
  }

  window(offset: ByteCount, length?: ByteCount): Uint8Array {
    const memory = this.#open;
    const { start, end } = this.#range(offset, length);
    if (this.length <= windowLimit) return this.bytes.subarray(start, end);
    checkWindow(end - start);
    return memory.view({ start, end });
  }

  read(offset: ByteCount, length?: ByteCount): Uint8Array {
    const copy = this.window(offset, length).slice();
    // Afterwards: what is there now was there when it was copied.
    const { truncated } = this;
    if (truncated !== undefined && truncated < Number(offset) + copy.byteLength) throw this.#lost(truncated);
    return copy;
  }

  get truncated(): number | undefined {
    if (this.#memory !== undefined) this.#truncated = this.#memory.lost();
    return this.#truncated;
  }

  #lost(at: number): TransferError {
    return withPaths(truncatedError(this.#name, at, this.#request.offset), this.#paths);
  }

  check(): void {
    const { truncated } = this;
    if (truncated !== undefined) throw this.#lost(truncated);
  }

  prefetch(offset?: ByteCount, length?: ByteCount): void {
    this.#open.advise(this.#range(offset, length), "will_need");
  }

  advise(advice: MapAdvice, offset?: ByteCount, length?: ByteCount): void {
    this.#open.advise(this.#range(offset, length), advice);
  }

  residency(offset?: ByteCount, length?: ByteCount): Residency {
    const memory = this.#open;
    const range = this.#range(offset, length);
    const total = range.end - range.start;
    // Pages at both ends belong to the range in part.
    return { resident: Math.min(total, memory.resident(range)), total };
  }

  flush(offset?: ByteCount, length?: ByteCount): void {
    const memory = this.#open;
    const range = this.#range(offset, length);
    if (this.#request.mode !== "shared")
      throw new TransferError(
        `Cannot flush ${this.#name}: what is written to a "${this.#request.mode}" mapping stays in it`,
        {
          code: "ERR_SLUICE_UNSUPPORTED",
          ...this.#paths,
        },
      );
    withPathsIn(this.#paths, () => memory.flush(range));
    const { truncated } = this;
    if (truncated !== undefined && truncated < range.end) throw this.#lost(truncated);
  }

  close(): void {
    const memory = this.#memory;
    if (memory === undefined) return;
    this.#truncated = memory.lost();
    this.#memory = this.#bytes = undefined;
    try {
      memory.release();
    } finally {
      this.lease?.release();
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
