/** Files to send: pseudo-random, the same on every machine, so that nothing on the way can compress or share them. */
import { createCipheriv, createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { pipeline } from "node:stream/promises";

const chunkBytes = 4 * 1024 * 1024;
const blockBytes = 16;

/** The bytes at an offset of the endless payload: the AES-CTR key stream of a fixed key. `offset` is a multiple of 16. */
export function payload(offset: number, length: number): Buffer {
  const counter = Buffer.alloc(blockBytes);
  counter.writeBigUInt64BE(BigInt(offset / blockBytes), 8);
  return createCipheriv("aes-128-ctr", "sluice payload 1", counter).update(Buffer.alloc(length));
}

async function writeAll(file: FileHandle, bytes: number): Promise<void> {
  for (let at = 0; at < bytes; at += chunkBytes) await file.writeFile(payload(at, Math.min(chunkBytes, bytes - at)));
}

/** Writes a new file of `bytes` bytes. */
export async function writePayload(path: string, bytes: number): Promise<void> {
  const file = await open(path, "wx");
  try {
    await writeAll(file, bytes);
  } finally {
    await file.close();
  }
}

/** sha256 of a file's first `bytes` bytes; reading them also brings their pages into memory. */
export async function sha256(path: string, bytes: number): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path, { end: bytes - 1, highWaterMark: chunkBytes }), hash);
  return hash.digest("hex");
}
