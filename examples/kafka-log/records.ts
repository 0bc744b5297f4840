/**
 * The records in a batch, which a broker looks at for one question alone: which is the first of a time?
 *
 *     length varint   attributes int8   timestampDelta varlong   offsetDelta varint   key, value, headers …
 */
import type { Buffer } from "node:buffer";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { headerBytes } from "./batch.ts";

export interface Moment {
  readonly offset: number;
  /** Milliseconds since 1970. */
  readonly timestamp: number;
}

/** What a batch may be unpacked to: a small one can claim to be very large. */
const mostUnpacked = 64 * 2 ** 20;
const gunzipAsync = promisify(gunzip);

/** By the codec in a batch's attributes. What isn't here (snappy, lz4, zstd) takes a library, which Kafka has. */
const unpackers: Readonly<Record<number, (bytes: Buffer) => Buffer | Promise<Buffer>>> = {
  0: (bytes) => bytes,
  1: (bytes) => gunzipAsync(bytes, { maxOutputLength: mostUnpacked }),
};

/**
 * The first record of a time or later in a batch that has one. Where the records can't be seen it is the beginning of
 * their batch: early by less than a batch, never too late.
 */
export async function firstSince(batch: Buffer, since: number): Promise<Moment> {
  const [baseOffset, baseTimestamp] = [Number(batch.readBigInt64BE(0)), Number(batch.readBigInt64BE(27))];
  const begin = { offset: baseOffset, timestamp: baseTimestamp };
  const unpack = unpackers[batch.readInt16BE(21) & 7];
  if (unpack === undefined) return begin;
  try {
    for (const { timestampDelta, offsetDelta } of recordsIn(await unpack(batch.subarray(headerBytes)))) {
      const timestamp = baseTimestamp + timestampDelta;
      if (timestamp >= since) return { offset: baseOffset + offsetDelta, timestamp };
    }
  } catch {
    // The sum of the batch is right: it is its producer's own, and what consumers will say of it is theirs.
  }
  return begin;
}

/** @throws RangeError at what is no record */
function* recordsIn(bytes: Buffer): Generator<{ timestampDelta: number; offsetDelta: number }> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let weight = 1; weight < 2 ** 64; weight *= 128) {
      const byte = bytes.readUInt8(at++);
      value += weight * (byte & 127);
      if (byte < 128) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    }
    throw new RangeError("a varint of more than 64 bits");
  };
  while (at < bytes.length) {
    const length = varint();
    const end = at + length;
    if (length < 0) throw new RangeError("a record of less than no bytes");
    at++;
    yield { timestampDelta: varint(), offsetDelta: varint() };
    at = end;
  }
}
