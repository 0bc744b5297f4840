/** Requests, cut out of what clients send, and a bound for the memory that all of them take together. */
import { Buffer } from "node:buffer";
import { limits } from "./api.ts";
import { ProtocolError } from "./wire.ts";

const blockBytes = 16 * 2 ** 10;

/** What has come of a request whose end is still to come, in blocks that are used again: the garbage collector is too late. */
class Half {
  readonly #memory: RequestMemory;
  readonly #drop: () => void;
  readonly blocks: Buffer[] = [];
  bytes = 0;
  #isDropped = false;

  /** @param drop closes its connection */
  constructor(memory: RequestMemory, drop: () => void) {
    this.#memory = memory;
    this.#drop = drop;
  }

  append(bytes: Buffer): void {
    for (let at = 0; at < bytes.length;) {
      const offset = this.bytes % blockBytes;
      const block = offset > 0 ? this.blocks.at(-1) : this.#memory.lend(this);
      // Its blocks may be another's by now.
      if (this.#isDropped || block === undefined) throw new ProtocolError("a request that took too much memory");
      const copied = bytes.copy(block, offset, at);
      at += copied;
      this.bytes += copied;
    }
  }

  /** The whole request; the half is empty again. */
  take(): Buffer {
    const whole = Buffer.concat(this.blocks, this.bytes);
    this.#memory.giveBack(this);
    this.bytes = 0;
    return whole;
  }

  drop(): void {
    this.#isDropped = true;
    this.#memory.giveBack(this);
    this.#drop();
  }
}

export class RequestMemory {
  readonly #most: number;
  #used = 0;
  readonly #free: Buffer[] = [];
  /** In the order in which they were begun. */
  readonly #halves = new Set<Half>();

  constructor(most: number) {
    this.#most = most;
  }

  /** Whether a client with requests that wait should have its answers before more is read of it. */
  get isTight(): boolean {
    return this.#used > this.#most / 2;
  }

  /** Counts a whole request until the answered function is called. */
  hold(bytes: number): () => void {
    this.#used += bytes;
    return () => (this.#used -= bytes);
  }

  /** Where all are too much, the oldest half goes: who means to send a request to its end is soon through with it. */
  lend(half: Half): Buffer | undefined {
    this.#halves.add(half);
    for (const oldest of this.#halves) {
      if (this.#used + blockBytes <= this.#most) break;
      oldest.drop();
    }
    if (!this.#halves.has(half)) return undefined;
    this.#used += blockBytes;
    const block = this.#free.pop() ?? Buffer.allocUnsafeSlow(blockBytes);
    half.blocks.push(block);
    return block;
  }

  giveBack(half: Half): void {
    this.#halves.delete(half);
    this.#used -= blockBytes * half.blocks.length;
    this.#free.push(...half.blocks.splice(0));
  }
}

/** Cuts what a client sends into requests, each with its length before it. A half takes what has come, not what it claims. */
export async function* requestsOf(
  chunks: AsyncIterable<Buffer>,
  memory: RequestMemory,
  drop: () => void,
): AsyncGenerator<Buffer> {
  const half = new Half(memory, drop);
  try {
    for await (const chunk of chunks) {
      for (let at = 0; at < chunk.length;) {
        const [first = chunk.subarray(at), have] = [half.blocks[0], half.bytes];
        const known = have > 0 ? have : first.length;
        const end = at + (known < 4 ? 4 : sizeIn(first)) - have;
        const part = chunk.subarray(at, end);
        at += part.length;
        // Small ones mostly come whole.
        if (have === 0 && known >= 4 && at === end) yield part;
        else half.append(part);
        if (half.bytes >= 4 && half.bytes === sizeIn(half.blocks[0] ?? part)) yield half.take();
      }
    }
    if (half.bytes > 0) throw new ProtocolError("the connection ended within a request");
  } finally {
    memory.giveBack(half);
  }
}

function sizeIn(bytes: Buffer): number {
  const length = bytes.readInt32BE(0);
  if (length < 0 || length > limits.requestBytes) throw new ProtocolError(`a request of ${length} bytes`);
  return 4 + length;
}
