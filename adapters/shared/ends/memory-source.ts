/** Memory as a source. */
import { type Endpoint, endpoint } from "../../../core/endpoint.ts";
import type { SourceEnd } from "./source.ts";

/** Bytes in memory. */
export class MemorySource implements SourceEnd {
  readonly #bytes: Uint8Array;
  readonly fd = undefined;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  keep(): void {
    // An object stays itself.
  }

  keepReadable(): void {
    // It is read as it is.
  }

  open(): undefined {
    return undefined;
  }

  inspect(): Endpoint {
    const size = this.#bytes.byteLength;
    return endpoint({
      kind: "memory",
      name: "bytes",
      fd: false,
      withoutFd: "the source is memory of JavaScript",
      size,
    });
  }

  stop(): void {
    // Nobody else reads it.
  }

  async read(max: number, offset = 0): Promise<Uint8Array | undefined> {
    return offset >= this.#bytes.byteLength ? undefined : this.#bytes.subarray(offset, offset + max);
  }

  watch(): void {
    // Memory has no owner that could close it.
  }

  end(): undefined {
    return undefined;
  }
}
