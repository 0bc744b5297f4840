/**
 * Record batches, version 2 (kafka.apache.org/documentation/#recordbatch): what the broker has to know of them is in
 * their first 61 bytes. The rest is the clients' business, compressed or not.
 *
 *     0 baseOffset int64    8 length int32         12 partitionLeaderEpoch int32   16 magic int8   17 crc uint32
 *    21 attributes int16   23 lastOffsetDelta int32   27 baseTimestamp int64   35 maxTimestamp int64
 *    43 producerId int64   51 producerEpoch int16     53 baseSequence int32    57 records int32
 *
 * The sum is over all from the attributes on, so that a broker may set the two fields that are its own.
 */
import type { Buffer } from "node:buffer";
import { crc32c } from "./crc32c.ts";
import { KafkaError } from "./errors.ts";

export const headerBytes = 61;
/** `length` counts what follows it. */
const lengthEnd = 12;
const summedFrom = 21;
const controlBit = 0x20;
const transactionalBit = 0x10;

export interface BatchHeader {
  readonly baseOffset: number;
  /** Of the whole batch. */
  readonly bytes: number;
  readonly records: number;
  /** Milliseconds since 1970; -1 where the producer gave none. */
  readonly maxTimestamp: number;
}

/** Undefined where these are not the first bytes of a batch. */
export function readHeader(bytes: Buffer): BatchHeader | undefined {
  if (bytes.length < headerBytes || bytes.readInt8(16) !== 2) return undefined;
  const size = bytes.readInt32BE(8) + lengthEnd;
  const records = bytes.readInt32BE(57);
  // A batch that the broker takes in has an offset for each of its records, and no more.
  if (size < headerBytes || records < 1 || records !== bytes.readInt32BE(23) + 1) return undefined;
  const baseOffset = Number(bytes.readBigInt64BE(0));
  return { baseOffset, bytes: size, records, maxTimestamp: Number(bytes.readBigInt64BE(35)) };
}

/** Whether a whole batch is what its producer made. */
export function isIntact(batch: Buffer): boolean {
  return batch.readUInt32BE(17) === crc32c(batch.subarray(summedFrom));
}

/** What may be appended: one intact batch, as Kafka demands of producers since its batches have version 2. */
export function checkProduced(batch: Buffer): BatchHeader {
  const header = readHeader(batch);
  if (header === undefined) throw new KafkaError("invalidRecord");
  if (header.bytes !== batch.length || !isIntact(batch)) throw new KafkaError("corruptMessage");
  // Transactions, and the markers that end them, are the business of a real broker.
  if (batch.readInt16BE(summedFrom) & (controlBit | transactionalBit)) throw new KafkaError("invalidRecord");
  return header;
}

/** Sets the two fields that are the broker's. */
export function place(batch: Buffer, baseOffset: number): void {
  batch.writeBigInt64BE(BigInt(baseOffset), 0);
  batch.writeInt32BE(0, lengthEnd);
}
