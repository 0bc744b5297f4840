/** Requests, cut out of what clients send, and a bound for the memory that all of them take together. */
import { Buffer } from "node:buffer";
import { limits } from "./api.ts";
import { ProtocolError } from "./wire.ts";

/** What has come of a request whose end is still to come. */
interface Half {
  bytes: number;
  /** Closes its connection. */
  readonly drop: () => void;
}

export class RequestMemory {
  readonly #most: number;
  #used = 0;
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

  /**
   * Takes in how large a half has become; 0 when it is one no longer. Where all are too much, the oldest goes: who means
   * to send its request to the end is soon through with it.
   */
  resize(half: Half, bytes: number): void {
    this.#used += bytes - half.bytes;
    half.bytes = bytes;
    if (bytes === 0) this.#halves.delete(half);
    else this.#halves.add(half);
    for (const oldest of this.#halves) {
      if (this.#used <= this.#most) return;
      this.resize(oldest, 0);
      oldest.drop();
    }
  }
}

/** Cuts what a client sends into requests. A half takes at most twice what has come of it, whatever length it claims. */
export async function* requestsOf(
  chunks: AsyncIterable<Buffer>,
  memory: RequestMemory,
  drop: () => void,
): AsyncGenerator<Buffer> {
  const half: Half = { bytes: 0, drop };
  let buffer = Buffer.alloc(0);
  let have = 0;
  try {
    for await (const chunk of chunks) {
      for (let at = 0; at < chunk.length;) {
        const wanted = have < 4 ? 4 : 4 + lengthIn(buffer);
        const end = Math.min(wanted, have + chunk.length - at);
        if (end > buffer.length) {
          const larger = Buffer.allocUnsafe(Math.min(wanted, Math.max(end, 2 * buffer.length)));
          buffer.copy(larger, 0, 0, have);
          buffer = larger;
        }
        at += chunk.copy(buffer, have, at, at + end - have);
        have = end;
        if (have < 4 || have < 4 + lengthIn(buffer)) continue;
        memory.resize(half, 0);
        yield buffer;
        buffer = Buffer.alloc(0);
        have = 0;
      }
      memory.resize(half, buffer.length);
    }
  } finally {
    memory.resize(half, 0);
  }
  if (have > 0) throw new ProtocolError("the connection ended within a request");
}

function lengthIn(buffer: Buffer): number {
  const length = buffer.readInt32BE(0);
  if (length < 0 || length > limits.requestBytes) throw new ProtocolError(`a request of ${length} bytes`);
  return length;
}
