/** The log of one partition: segments that grow one after the other, written by groups of batches. */
import type { Buffer } from "node:buffer";
import { mkdir, open, readdir } from "node:fs/promises";
import { type BatchHeader, checkProduced, place } from "./batch.ts";
import { KafkaError } from "./errors.ts";
import { baseOffsetOf, type Moment, type Range, Segment } from "./segment.ts";

/** Most bytes that are written, and flushed, together. */
const groupBytes = 16 * 2 ** 20;

/** A batch on its way into the log. */
interface Waiting {
  readonly batch: Buffer;
  readonly header: BatchHeader;
  readonly flushed: boolean;
  readonly resolve: (baseOffset: number) => void;
  readonly reject: (error: unknown) => void;
}

export class Partition {
  readonly #folder: string;
  readonly #segmentBytes: number;
  readonly #segments: Segment[];
  #active: Segment;
  readonly #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;
  /** Set by a flush that failed. What the disk holds then is unknown until the file is read again, at the next start. */
  #unsure: KafkaError | undefined;
  readonly #listeners = new Set<() => void>();

  private constructor(folder: string, segmentBytes: number, segments: Segment[], active: Segment) {
    this.#folder = folder;
    this.#segmentBytes = segmentBytes;
    this.#segments = segments;
    this.#active = active;
  }

  /** Opens the log in a folder, which is made if need be. */
  static async open(folder: string, segmentBytes: number): Promise<Partition> {
    await mkdir(folder, { recursive: true });
    const offsets = (await readdir(folder)).flatMap((name) => baseOffsetOf(name) ?? []).sort((a, b) => a - b);
    // A segment that was begun and never used may not stand behind one that grew on.
    while (offsets.length > 1 && (await Segment.removeEmpty(folder, offsets.at(-1) ?? 0))) offsets.pop();
    const segments: Segment[] = [];
    try {
      for (const offset of offsets) {
        const before = segments.at(-1)?.nextOffset ?? offset;
        if (offset !== before) throw new Error(`${folder}: no records from ${before} to ${offset}`);
        segments.push(await Segment.open(folder, offset, offset === offsets.at(-1)));
      }
      const active = segments.at(-1) ?? (await Segment.create(folder, 0));
      if (segments.length === 0) segments.push(active);
      await syncFolder(folder);
      return new Partition(folder, segmentBytes, segments, active);
    } catch (error) {
      for (const segment of segments) await segment.close();
      throw error;
    }
  }

  get firstOffset(): number {
    return this.#segments[0]?.baseOffset ?? 0;
  }

  /** The offset behind the last acknowledged record: Kafka's high watermark. */
  get nextOffset(): number {
    return this.#active.publishedOffset;
  }

  /**
   * Appends a batch of a producer, and answers the offset of its first record.
   *
   * @param flushed whether the disk has to have it before that
   * @throws KafkaError for what is no intact batch, at once; later whatever the disk says
   */
  append(batch: Buffer, flushed: boolean): Promise<number> {
    const header = checkProduced(batch);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ batch, header, flushed, resolve, reject });
      this.#writing ??= this.#write().finally(() => (this.#writing = undefined));
    });
  }

  /** While one group is written and flushed, the next one gathers: they all wait for one fdatasync(2). */
  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#nextGroup();
      try {
        await this.#commit(group);
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
  }

  #nextGroup(): Waiting[] {
    let bytes = 0;
    const most = Math.min(groupBytes, this.#segmentBytes);
    const tooMany = this.#waiting.findIndex(({ batch }, index) => (bytes += batch.length) > most && index > 0);
    return this.#waiting.splice(0, tooMany < 0 ? this.#waiting.length : tooMany);
  }

  async #commit(group: readonly Waiting[]): Promise<void> {
    if (this.#unsure !== undefined) throw this.#unsure;
    const bytes = group.reduce((sum, { batch }) => sum + batch.length, 0);
    if (this.#active.bytes > 0 && this.#active.bytes + bytes > this.#segmentBytes) await this.#roll();
    const active = this.#active;
    let next = active.nextOffset;
    const placed = group.map((waiting) => {
      const baseOffset = next;
      place(waiting.batch, baseOffset);
      next += waiting.header.records;
      return { ...waiting, baseOffset };
    });
    await active.append(
      placed.map(({ batch }) => batch),
      placed.map(({ header }) => header),
    );
    if (group.some(({ flushed }) => flushed)) await this.#flush();
    active.publish();
    for (const { resolve, baseOffset } of placed) resolve(baseOffset);
    for (const listener of this.#listeners) listener();
  }

  async #flush(): Promise<void> {
    try {
      await this.#active.flush();
    } catch (error) {
      console.error(`${this.#folder}: ${String(error)}; nothing is appended any more`);
      throw (this.#unsure = new KafkaError("storageError", { cause: error }));
    }
  }

  /** Begins a new segment. The old one is on the disk before, so that only the last can have a torn end. */
  async #roll(): Promise<void> {
    await this.#active.cleanUp();
    await this.#flush();
    const segment = await Segment.create(this.#folder, this.#active.nextOffset);
    try {
      await syncFolder(this.#folder);
    } catch (error) {
      await segment.close();
      throw error;
    }
    this.#segments.push(segment);
    this.#active = segment;
  }

  /** See `Segment.range`; a range is of one segment. @throws KafkaError for an offset that the log doesn't have */
  async range(offset: number, most: number, orOne: boolean): Promise<Range | undefined> {
    if (offset < this.firstOffset || offset > this.nextOffset) throw new KafkaError("offsetOutOfRange");
    const segment = this.#segmentOf(offset);
    const range = await segment?.range(offset, most, orOne);
    return range && { ...range, toEnd: range.toEnd && segment === this.#active };
  }

  #segmentOf(offset: number): Segment | undefined {
    let [low, high] = [0, this.#segments.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#segments[middle]?.baseOffset ?? Infinity) <= offset) low = middle + 1;
      else high = middle;
    }
    return this.#segments[low - 1];
  }

  /** See `Segment.firstSince`. */
  async firstSince(timestamp: number): Promise<Moment | undefined> {
    for (const segment of this.#segments) {
      if (segment.maxTimestamp < timestamp) continue;
      const found = await segment.firstSince(timestamp);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Calls a listener whenever there is more to read, until the answered function is called. */
  onMore(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Writes what waits, flushes and closes. */
  async close(): Promise<void> {
    await this.#writing;
    if (this.#unsure === undefined) await this.#active.flush();
    for (const segment of this.#segments) await segment.close();
  }
}

/** Waits until the names in a folder are on the disk. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
