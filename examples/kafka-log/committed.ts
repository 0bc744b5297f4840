/** The offsets that groups have committed: one small file, replaced whole. (Kafka keeps them in a topic.) */
import { Buffer } from "node:buffer";
import { readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { openFile } from "sluice";
import { KafkaError } from "./errors.ts";
import { syncFolder } from "./partition.ts";

export interface CommittedOffset {
  readonly offset: number;
  readonly metadata: string;
}

const mostMetadata = 4096;
const mostOffsets = 100_000;

export class CommittedOffsets {
  readonly #path: string;
  readonly #offsets: Map<string, CommittedOffset>;
  #saving: Promise<void> | undefined;
  #savingNext: Promise<void> | undefined;

  private constructor(path: string, offsets: Map<string, CommittedOffset>) {
    this.#path = path;
    this.#offsets = offsets;
  }

  static async open(path: string): Promise<CommittedOffsets> {
    const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return "[]";
      throw error;
    });
    return new CommittedOffsets(path, new Map(JSON.parse(text) as [string, CommittedOffset][]));
  }

  get(group: string, topic: string, partition: number): CommittedOffset | undefined {
    return this.#offsets.get(keyOf(group, topic, partition));
  }

  /** Not on the disk before `save()`. */
  set(group: string, topic: string, partition: number, committed: CommittedOffset): void {
    const key = keyOf(group, topic, partition);
    if (committed.metadata.length > mostMetadata) throw new KafkaError("offsetMetadataTooLarge");
    if (this.#offsets.size >= mostOffsets && !this.#offsets.has(key)) throw new KafkaError("policyViolation");
    this.#offsets.set(key, committed);
  }

  /** Waits until all that was set is on the disk. Those who come while it is being written share the next writing. */
  save(): Promise<void> {
    if (this.#saving === undefined) return (this.#saving = this.#write().finally(() => (this.#saving = undefined)));
    const save = () => {
      this.#savingNext = undefined;
      return this.save();
    };
    return (this.#savingNext ??= this.#saving.then(save, save));
  }

  async #write(): Promise<void> {
    const draft = `${this.#path}.new`;
    {
      await using file = await openFile(draft, "w");
      await file.write(Buffer.from(JSON.stringify([...this.#offsets])));
      await file.force();
    }
    await rename(draft, this.#path);
    await syncFolder(dirname(this.#path));
  }
}

function keyOf(group: string, topic: string, partition: number): string {
  return JSON.stringify([group, topic, partition]);
}
