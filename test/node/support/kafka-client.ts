/** A Kafka client that says exactly what it is told to, in the raw bytes of the protocol. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";

const sized = (length: number, write: (bytes: Buffer) => void): Buffer => {
  const bytes = Buffer.alloc(length);
  write(bytes);
  return bytes;
};
export const int8 = (value: number): Buffer => sized(1, (bytes) => bytes.writeInt8(value));
export const int16 = (value: number): Buffer => sized(2, (bytes) => bytes.writeInt16BE(value));
export const int32 = (value: number): Buffer => sized(4, (bytes) => bytes.writeInt32BE(value));
export const int64 = (value: number | bigint): Buffer => sized(8, (bytes) => bytes.writeBigInt64BE(BigInt(value)));
export const string = (value: string): Buffer => Buffer.concat([int16(Buffer.byteLength(value)), Buffer.from(value)]);
export const array = (...items: readonly Buffer[]): Buffer => Buffer.concat([int32(items.length), ...items]);

/** CRC-32C byte by byte: another implementation than the one that is tested. */
function crc32c(bytes: Uint8Array): number {
  let sum = -1;
  for (const byte of bytes) sum = (sum >>> 8) ^ (crcTable[(sum ^ byte) & 255] ?? 0);
  return ~sum >>> 0;
}

const crcTable = Int32Array.from({ length: 256 }, (_, byte) => {
  let sum = byte;
  for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ 0x82f63b78 : sum >>> 1;
  return sum;
});

/** A signed varint, zigzag-encoded. */
function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value >= 0 ? 2 * value : -2 * value - 1;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return Buffer.from([...bytes, rest]);
}

function record(value: Uint8Array, index: number, timestampDelta: number): Buffer {
  const fields = [int8(0), varint(timestampDelta), varint(index), varint(-1), varint(value.length), value, varint(0)];
  const bytes = Buffer.concat(fields);
  return Buffer.concat([varint(bytes.length), bytes]);
}

/** A record batch of version 2, of values a millisecond apart. */
export function batchOf(values: readonly Uint8Array[], timestamp = 1_700_000_000_000): Buffer {
  const records = values.map((value, index) => record(value, index, index));
  const last = values.length - 1;
  const summed = Buffer.concat([
    int16(0),
    int32(last),
    int64(timestamp),
    int64(timestamp + last),
    int64(-1),
    int16(-1),
    int32(-1),
    int32(values.length),
    ...records,
  ]);
  const sum = sized(4, (bytes) => bytes.writeUInt32BE(crc32c(summed)));
  return Buffer.concat([int64(0), int32(summed.length + 9), int32(-1), int8(2), sum, summed]);
}

export interface SeenBatch {
  readonly baseOffset: number;
  readonly records: number;
  readonly bytes: Buffer;
}

/** The batches in what a fetch has brought. Throws for any that is not whole or not intact. */
export function batchesIn(records: Buffer): SeenBatch[] {
  const batches: SeenBatch[] = [];
  for (let at = 0; at < records.length;) {
    const bytes = records.subarray(at, at + 12 + records.readInt32BE(at + 8));
    if (at + bytes.readInt32BE(8) + 12 > records.length) throw new Error(`half a batch at byte ${at}`);
    if (bytes.readUInt32BE(17) !== crc32c(bytes.subarray(21))) throw new Error(`a damaged batch at byte ${at}`);
    batches.push({ baseOffset: Number(bytes.readBigInt64BE(0)), records: bytes.readInt32BE(57), bytes });
    at += bytes.length;
  }
  return batches;
}

/** A request, with its length and head. */
export function frame(key: number, version: number, correlation: number, body: Buffer): Buffer {
  const request = Buffer.concat([int16(key), int16(version), int32(correlation), string("raw"), body]);
  return Buffer.concat([int32(request.length), request]);
}

export interface Wanted {
  readonly topic: string;
  readonly partition?: number;
  readonly offset: number;
  readonly maxBytes?: number;
}

export interface FetchLimits {
  readonly maxWaitMs?: number;
  readonly minBytes?: number;
  readonly maxBytes?: number;
}

export interface Fetched {
  readonly error: number;
  readonly highWatermark: number;
  readonly records: Buffer;
}

const mebibyte = 2 ** 20;

export function fetchBody(wanted: readonly Wanted[], limits: FetchLimits = {}): Buffer {
  const { maxWaitMs = 0, minBytes = 0, maxBytes = 64 * mebibyte } = limits;
  const topics = wanted.map(({ topic, partition = 0, offset, maxBytes: most = 64 * mebibyte }) =>
    Buffer.concat([string(topic), array(Buffer.concat([int32(partition), int64(offset), int32(most)]))]),
  );
  return Buffer.concat([int32(-1), int32(maxWaitMs), int32(minBytes), int32(maxBytes), int8(0), array(...topics)]);
}

/** The answer to a Fetch, version 4, in which every topic is asked for one partition. */
export function readFetched(answer: Buffer): Fetched[] {
  const fetched: Fetched[] = [];
  let at = 8;
  for (let left = answer.readInt32BE(4); left > 0; left--) {
    at += 2 + answer.readInt16BE(at) + 4 + 4;
    const [error, highWatermark] = [answer.readInt16BE(at), Number(answer.readBigInt64BE(at + 2))];
    const length = answer.readInt32BE(at + 22);
    at += 26;
    fetched.push({ error, highWatermark, records: answer.subarray(at, at + length) });
    at += length;
  }
  return fetched;
}

export function produceBody(topic: string, partition: number, batch: Buffer, acks: number): Buffer {
  const partitions = array(Buffer.concat([int32(partition), int32(batch.length), batch]));
  return Buffer.concat([int16(-1), int16(acks), int32(1000), array(Buffer.concat([string(topic), partitions]))]);
}

export class KafkaClient implements Disposable {
  readonly socket: Socket;
  readonly #waiting: { resolve: (answer: Buffer) => void; reject: (error: Error) => void; correlation: number }[] = [];
  #correlation = 0;
  #held: Buffer[] = [];
  #bytes = 0;
  #wanted = 4;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
    socket.on("error", () => {});
    socket.on("close", () => {
      for (const { reject } of this.#waiting.splice(0)) reject(new Error("the broker closed the connection"));
    });
  }

  static async connect(port: number): Promise<KafkaClient> {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    await once(socket, "connect");
    return new KafkaClient(socket);
  }

  #take(chunk: Buffer): void {
    this.#held.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes < this.#wanted) return;
    let all = Buffer.concat(this.#held);
    for (this.#wanted = 4; all.length >= this.#wanted; this.#wanted = 4) {
      this.#wanted += all.readInt32BE(0);
      if (all.length < this.#wanted) break;
      const answer = all.subarray(4, this.#wanted);
      all = all.subarray(this.#wanted);
      const waiting = this.#waiting.shift();
      if (waiting?.correlation === answer.readInt32BE(0)) waiting.resolve(answer.subarray(4));
      else this.socket.destroy(new Error("an answer out of order"));
    }
    this.#held = [all];
    this.#bytes = all.length;
  }

  /** Sends a request; answers what follows the correlation id. */
  request(key: number, version: number, body: Buffer): Promise<Buffer> {
    const correlation = ++this.#correlation;
    this.socket.write(frame(key, version, correlation, body));
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject, correlation }));
  }

  /** Makes a topic by asking for it; answers the error code. */
  async createTopic(topic: string): Promise<number> {
    const answer = await this.request(3, 4, Buffer.concat([array(string(topic)), int8(1)]));
    const brokers = 4 + 4 + 4;
    const host = answer.readInt16BE(brokers);
    const cluster = brokers + 2 + host + 4 + 2;
    return answer.readInt16BE(cluster + 2 + answer.readInt16BE(cluster) + 4 + 4);
  }

  async produce(
    topic: string,
    batch: Buffer,
    { partition = 0, acks = -1 } = {},
  ): Promise<{ error: number; baseOffset: number }> {
    const answer = await this.request(0, 3, produceBody(topic, partition, batch, acks));
    const at = 4 + 2 + answer.readInt16BE(4) + 4 + 4;
    return { error: answer.readInt16BE(at), baseOffset: Number(answer.readBigInt64BE(at + 2)) };
  }

  async fetch(wanted: readonly Wanted[], limits?: FetchLimits): Promise<Fetched[]> {
    return readFetched(await this.request(1, 4, fetchBody(wanted, limits)));
  }

  /** One partition from an offset to its end. */
  async fetchAll(topic: string, offset = 0, partition = 0): Promise<SeenBatch[]> {
    const batches: SeenBatch[] = [];
    for (let next = offset; ;) {
      const [fetched] = await this.fetch([{ topic, partition, offset: next }]);
      if (fetched === undefined || fetched.error !== 0) throw new Error(`error ${fetched?.error} at ${next}`);
      const more = batchesIn(fetched.records);
      const last = more.at(-1);
      if (last === undefined) return batches;
      batches.push(...more);
      next = last.baseOffset + last.records;
    }
  }

  /** Offset for a timestamp, -1 (the end) or -2 (the beginning). */
  async listOffset(topic: string, timestamp: number, partition = 0): Promise<number> {
    const asked = array(Buffer.concat([string(topic), array(Buffer.concat([int32(partition), int64(timestamp)]))]));
    const answer = await this.request(2, 1, Buffer.concat([int32(-1), asked]));
    return Number(answer.readBigInt64BE(answer.length - 8));
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}
