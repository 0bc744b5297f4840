/** The primitive types of Kafka's protocol (kafka.apache.org/protocol): big-endian numbers, and lengths before what has them. */
import { Buffer } from "node:buffer";
import { limits } from "./api.ts";

/** What a client sent can't be understood: all that is left is to close its connection. */
export class ProtocolError extends Error {}

/** Reads the fields of a request, in their order. @throws ProtocolError where the request ends before */
export class Reader {
  readonly #bytes: Buffer;
  #at = 0;
  #itemsLeft: number = limits.items;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  #pass(length: number): number {
    const at = this.#at;
    if (length < 0 || length > this.#bytes.length - at)
      throw new ProtocolError(`a field of ${length} bytes where ${this.#bytes.length - at} are left`);
    this.#at += length;
    return at;
  }

  int8(): number {
    return this.#bytes.readInt8(this.#pass(1));
  }

  int16(): number {
    return this.#bytes.readInt16BE(this.#pass(2));
  }

  int32(): number {
    return this.#bytes.readInt32BE(this.#pass(4));
  }

  /** Rounded past 2^53, where no offset of ours is and where no timestamp has to be exact. */
  int64(): number {
    return Number(this.#bytes.readBigInt64BE(this.#pass(8)));
  }

  nullableString(): string | undefined {
    const length = this.int16();
    if (length === -1) return undefined;
    const at = this.#pass(length);
    return this.#bytes.toString("utf8", at, at + length);
  }

  string(): string {
    return this.nullableString() ?? refuse("null for a string");
  }

  /** A view of the request, without a copy. */
  nullableBytes(): Buffer | undefined {
    const length = this.int32();
    if (length === -1) return undefined;
    const at = this.#pass(length);
    return this.#bytes.subarray(at, at + length);
  }

  bytes(): Buffer {
    return this.nullableBytes() ?? refuse("null for bytes");
  }

  nullableArray<T>(item: () => T): T[] | undefined {
    const length = this.int32();
    if (length === -1) return undefined;
    if (length < 0 || length > this.#itemsLeft) refuse(`an array of ${length} items`);
    this.#itemsLeft -= length;
    const items: T[] = [];
    while (items.length < length) items.push(item());
    return items;
  }

  array<T>(item: () => T): T[] {
    return this.nullableArray(item) ?? [];
  }
}

function refuse(what: string): never {
  throw new ProtocolError(what);
}

/** Writes the fields of an answer. */
export class Writer {
  #bytes = Buffer.allocUnsafe(256);
  #length = 0;

  #extend(length: number): number {
    const at = this.#length;
    this.#length += length;
    if (this.#length > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#length, 2 * this.#bytes.length));
      this.#bytes.copy(larger, 0, 0, at);
      this.#bytes = larger;
    }
    return at;
  }

  int8(value: number): this {
    const at = this.#extend(1);
    this.#bytes.writeInt8(value, at);
    return this;
  }

  int16(value: number): this {
    const at = this.#extend(2);
    this.#bytes.writeInt16BE(value, at);
    return this;
  }

  int32(value: number): this {
    const at = this.#extend(4);
    this.#bytes.writeInt32BE(value, at);
    return this;
  }

  int64(value: number): this {
    const at = this.#extend(8);
    // A producer's timestamp may be anything, and is not exact past 2^53.
    this.#bytes.writeBigInt64BE(BigInt.asIntN(64, BigInt(value)), at);
    return this;
  }

  /** At most 32,767 bytes of UTF-8. */
  string(value: string | undefined): this {
    if (value === undefined) return this.int16(-1);
    const length = Buffer.byteLength(value);
    this.int16(length);
    const at = this.#extend(length);
    this.#bytes.write(value, at);
    return this;
  }

  bytes(value: Uint8Array): this {
    this.int32(value.length);
    const at = this.#extend(value.length);
    this.#bytes.set(value, at);
    return this;
  }

  array<T>(items: readonly T[], write: (item: T) => void): this {
    this.int32(items.length);
    for (const item of items) write(item);
    return this;
  }

  /** The fields since the last call. */
  take(): Buffer {
    const taken = this.#bytes.subarray(0, this.#length);
    this.#bytes = Buffer.allocUnsafe(256);
    this.#length = 0;
    return taken;
  }
}
