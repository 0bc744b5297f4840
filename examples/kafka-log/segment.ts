/** One file of a log: record batches one after the other, as they came over the wire. */
import { Buffer } from "node:buffer";
import { stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { type FileChannel, openFile, type Report, type Target } from "sluice";
import { type BatchHeader, headerBytes, isIntact, readHeader } from "./batch.ts";
import { KafkaError } from "./errors.ts";
import { type IndexEntry, OffsetIndex } from "./offset-index.ts";

/** How much of a file is read at a time to look for a batch, and to look at all of them when the broker starts. */
const windowBytes = { search: 8 * 2 ** 10, start: 2 ** 20 } as const;

/** Batches to send: a range of a segment, which nobody writes to any more. */
export interface Range {
  readonly segment: Segment;
  readonly position: number;
  readonly length: number;
  /** Whether nothing stands behind it, in this segment. */
  readonly toEnd: boolean;
}

export interface Moment {
  readonly offset: number;
  /** Milliseconds since 1970. */
  readonly timestamp: number;
}

export class Segment {
  readonly baseOffset: number;
  readonly #channel: FileChannel;
  readonly #index = new OffsetIndex();
  /** The end of the batches that were written, and of those that may be read: they have been acknowledged. */
  #written = { position: 0, offset: 0 };
  #published = { position: 0, offset: 0 };
  #maxTimestamp = -1;
  /** Whether a write that failed may have left something behind the last batch. */
  #unclean = false;

  private constructor(channel: FileChannel, baseOffset: number) {
    this.#channel = channel;
    this.baseOffset = baseOffset;
    this.#written = this.#published = { position: 0, offset: baseOffset };
  }

  static async create(folder: string, baseOffset: number): Promise<Segment> {
    return new Segment(await openFile(join(folder, nameOf(baseOffset)), "w+"), baseOffset);
  }

  /**
   * Opens a segment that is there. What the last segment of a log ends with may have been under way when the broker
   * was killed: there every batch is checked to the byte, and the file is cut behind the last good one.
   *
   * @throws Error where another segment, which was whole once, isn't
   */
  static async open(folder: string, baseOffset: number, isLast: boolean): Promise<Segment> {
    const path = join(folder, nameOf(baseOffset));
    const channel = await openFile(path, "r+");
    try {
      const segment = new Segment(channel, baseOffset);
      const size = await channel.size();
      for await (const header of batchesOf(channel, 0, size, { window: windowBytes.start, checked: isLast })) {
        if (header.baseOffset !== segment.nextOffset) break;
        segment.#note(header);
      }
      if (segment.bytes < size) {
        if (!isLast) throw new Error(`${path}: no batch ${segment.nextOffset} at byte ${segment.bytes} of ${size}`);
        await channel.truncate(segment.bytes);
      }
      // What is found was perhaps never flushed, and nobody will be told so again.
      if (isLast) await channel.force();
      segment.publish();
      return segment;
    } catch (error) {
      await channel.close();
      throw error;
    }
  }

  /** Removes a segment without a byte; false where it has some. */
  static async removeEmpty(folder: string, baseOffset: number): Promise<boolean> {
    const path = join(folder, nameOf(baseOffset));
    if ((await stat(path)).size > 0) return false;
    await unlink(path);
    return true;
  }

  get bytes(): number {
    return this.#written.position;
  }

  get nextOffset(): number {
    return this.#written.offset;
  }

  /** The offset behind the last record that may be read. */
  get publishedOffset(): number {
    return this.#published.offset;
  }

  get maxTimestamp(): number {
    return this.#maxTimestamp;
  }

  #note({ bytes, records, maxTimestamp }: BatchHeader): void {
    const { position, offset } = this.#written;
    this.#index.note({ offset, position, timestampBefore: this.#maxTimestamp });
    this.#maxTimestamp = Math.max(this.#maxTimestamp, maxTimestamp);
    this.#written = { position: position + bytes, offset: offset + records };
  }

  /** Writes batches behind the last; all of them, or none as far as anybody will see. */
  async append(batches: readonly Buffer[], headers: readonly BatchHeader[]): Promise<void> {
    const [first] = batches;
    await this.cleanUp();
    this.#unclean = true;
    await this.#channel.write(batches.length === 1 && first ? first : Buffer.concat(batches), this.bytes);
    this.#unclean = false;
    for (const header of headers) this.#note(header);
  }

  /** Takes away what a write that failed has left. */
  async cleanUp(): Promise<void> {
    if (this.#unclean) await this.#channel.truncate(this.bytes);
    this.#unclean = false;
  }

  /** Waits until everything written is on the disk. */
  flush(): Promise<void> {
    return this.#channel.force(false);
  }

  /** Lets everything written be read. */
  publish(): void {
    this.#published = this.#written;
  }

  /**
   * The batches from the one with the record of an offset on, as many whole ones as `most` bytes hold, or a few less: the
   * index knows where they end. Undefined where that is none.
   *
   * @param orOne whether to give a first batch that is larger
   */
  async range(offset: number, most: number, orOne: boolean): Promise<Range | undefined> {
    const { position: limit, offset: nextOffset } = this.#published;
    if (offset >= nextOffset) return undefined;
    const from = this.#index.last((entry) => entry.offset <= offset);
    const found = await this.#find(from, limit, ({ baseOffset, records }) => offset < baseOffset + records);
    if (found === undefined) throw new KafkaError("storageError");
    const { position, bytes } = found;
    let end = Math.min(limit, position + most);
    if (end < limit) end = this.#index.last((entry) => entry.position <= end)?.position ?? 0;
    if (end <= position) {
      if (bytes > most && !orOne) return undefined;
      end = position + bytes;
    }
    return { segment: this, position, length: end - position, toEnd: end === limit };
  }

  /** Where the batch begins that has the first published record of a time or later, if there is one. */
  async firstSince(timestamp: number): Promise<Moment | undefined> {
    const { position: limit } = this.#published;
    const from = this.#index.last((entry) => entry.timestampBefore < timestamp);
    const found = await this.#find(from, limit, ({ maxTimestamp }) => maxTimestamp >= timestamp);
    return found && { offset: found.baseOffset, timestamp: found.maxTimestamp };
  }

  async #find(
    from: IndexEntry | undefined,
    limit: number,
    holds: (batch: PlacedBatch) => boolean,
  ): Promise<PlacedBatch | undefined> {
    const window = windowBytes.search;
    for await (const batch of batchesOf(this.#channel, from?.position ?? 0, limit, { window }))
      if (holds(batch)) return batch;
    return undefined;
  }

  /** Sends a range that `range()` gave: how many bytes it was. No byte of it is seen here. */
  send({ position, length }: Range, target: Target, onReport: (report: Report) => void): Promise<number> {
    return this.#channel.transferTo(position, length, target, { onReport });
  }

  close(): Promise<void> {
    return this.#channel.close();
  }
}

/** Kafka's own names: the first offset, in twenty digits. */
function nameOf(baseOffset: number): string {
  return `${String(baseOffset).padStart(20, "0")}.log`;
}

/** The first offset of a segment, from its file's name. */
export function baseOffsetOf(name: string): number | undefined {
  const digits = /^(\d{20})\.log$/.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

interface PlacedBatch extends BatchHeader {
  readonly position: number;
}

/**
 * The batches of a range, to its end or to the first that is no batch, not whole, or (if asked) not intact.
 *
 * @param options.window how many bytes are read at a time, if one batch isn't longer that has to be checked
 */
async function* batchesOf(
  channel: FileChannel,
  from: number,
  end: number,
  options: { readonly window: number; readonly checked?: boolean },
): AsyncGenerator<PlacedBatch> {
  let window = Buffer.alloc(0);
  let start = from;
  const bytesAt = async (position: number, length: number): Promise<Buffer> => {
    if (position + length > start + window.length) {
      window = Buffer.alloc(Math.min(end - position, Math.max(length, options.window)));
      start = position;
      for (let have = 0; have < window.length;) {
        const bytes = await channel.read(window.subarray(have), start + have);
        if (bytes === 0) throw new KafkaError("storageError", { cause: `the file was cut at byte ${start + have}` });
        have += bytes;
      }
    }
    return window.subarray(position - start, position - start + length);
  };
  for (let position = from; position + headerBytes <= end;) {
    const header = readHeader(await bytesAt(position, headerBytes));
    if (header === undefined || position + header.bytes > end) return;
    if (options.checked && !isIntact(await bytesAt(position, header.bytes))) return;
    yield { ...header, position };
    position += header.bytes;
  }
}
