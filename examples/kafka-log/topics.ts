/** The topics of a broker: one folder a partition, TOPIC-NUMBER, as Kafka names them. */
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { KafkaError } from "./errors.ts";
import { Partition, syncFolder } from "./partition.ts";

export interface TopicsOptions {
  /** Of a topic that is made when somebody first names it. */
  readonly partitions: number;
  readonly segmentBytes: number;
}

/** Each partition holds a descriptor, and anybody may name a topic. */
const mostPartitions = 1000;

export class Topics {
  readonly #folder: string;
  readonly #options: TopicsOptions;
  readonly #topics = new Map<string, readonly Partition[]>();
  readonly #beingMade = new Map<string, Promise<readonly Partition[]>>();
  #partitions = 0;

  private constructor(folder: string, options: TopicsOptions) {
    this.#folder = folder;
    this.#options = options;
  }

  /** Opens every log of a folder, and mends what a crash has left. */
  static async open(folder: string, options: TopicsOptions): Promise<Topics> {
    await mkdir(folder, { recursive: true });
    const topics = new Topics(folder, options);
    const counts = new Map<string, number>();
    for (const name of await readdir(folder)) {
      const [, topic, number] = /^(.+)-(\d+)$/.exec(name) ?? [];
      if (topic !== undefined) counts.set(topic, Math.max(counts.get(topic) ?? 0, Number(number) + 1));
    }
    // A topic that was being made when the broker was killed gets the partitions that it lacks.
    for (const [topic, count] of counts) await topics.#open(topic, count);
    return topics;
  }

  get names(): string[] {
    return [...this.#topics.keys()];
  }

  /** @throws KafkaError where there is no such topic */
  partitions(topic: string): readonly Partition[] {
    const partitions = this.#topics.get(topic);
    if (partitions === undefined) throw new KafkaError("unknownTopicOrPartition");
    return partitions;
  }

  find(topic: string, index: number): Partition | undefined {
    return this.#topics.get(topic)?.[index];
  }

  /** @throws KafkaError where there is no such partition */
  partition(topic: string, index: number): Partition {
    const partition = this.find(topic, index);
    if (partition === undefined) throw new KafkaError("unknownTopicOrPartition");
    return partition;
  }

  /** The partitions of a topic, which is made if need be. */
  async partitionsOrNew(topic: string): Promise<readonly Partition[]> {
    const partitions = this.#topics.get(topic) ?? this.#beingMade.get(topic);
    if (partitions !== undefined) return partitions;
    if (!/^[\w.-]{1,249}$/.test(topic) || topic === "." || topic === "..") throw new KafkaError("invalidTopic");
    if (this.#partitions + this.#options.partitions > mostPartitions) throw new KafkaError("policyViolation");
    const making = this.#open(topic, this.#options.partitions);
    this.#beingMade.set(topic, making);
    return making.finally(() => this.#beingMade.delete(topic));
  }

  async #open(topic: string, count: number): Promise<readonly Partition[]> {
    this.#partitions += count;
    const partitions: Partition[] = [];
    try {
      // The highest number first: it says how many there are, should this be broken off.
      for (let index = count - 1; index >= 0; index--)
        partitions.unshift(await Partition.open(join(this.#folder, `${topic}-${index}`), this.#options.segmentBytes));
      await syncFolder(this.#folder);
    } catch (error) {
      this.#partitions -= count;
      for (const partition of partitions) await partition.close();
      throw error;
    }
    this.#topics.set(topic, partitions);
    return partitions;
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#beingMade.values());
    for (const partitions of this.#topics.values()) for (const partition of partitions) await partition.close();
  }
}
