/** Bytes that are the same in every run, and what identifies them. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";

/** Pseudo-random bytes, equal for equal seeds. */
export function randomBytes(length: number, seed = 1): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4));
  // Mulberry32: a full-period 32-bit generator (Tommy Ettinger, public domain).
  let state = seed >>> 0;
  for (let i = 0; i < words.length; i++) {
    state = (state + 0x6d2b79f5) | 0;
    let word = Math.imul(state ^ (state >>> 15), state | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    words[i] = word ^ (word >>> 14);
  }
  return new Uint8Array(words.buffer, 0, length);
}

/** The SHA-256 of some bytes, in hex. */
export function sha256(...parts: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
}

export interface Digest {
  readonly bytes: number;
  readonly sha256: string;
}

/** Reads to the end, counting and hashing: a socket, a child's output, any stream. */
export async function digest(stream: AsyncIterable<Uint8Array>): Promise<Digest> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of stream) {
    bytes += chunk.byteLength;
    hash.update(chunk);
  }
  return { bytes, sha256: hash.digest("hex") };
}

/** Counts and hashes a file, without holding it in memory. */
export function digestFile(path: string): Promise<Digest> {
  return digest(createReadStream(path));
}

/** Reads to the end and returns everything. */
export async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}
