/** Files to send, pseudo-random and the same on every machine, and the temporary folders that they lie in: all gone at the end, also after Ctrl-C. */
import { createCipheriv, createHash } from "node:crypto";
import { closeSync, createReadStream, openSync, readSync, rmSync } from "node:fs";
import { type FileHandle, mkdtemp, open, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { Unavailable } from "./programs.ts";

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

const folders: string[] = [];
const payloads = new Map<number, Promise<string>>();

function removeAll(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}

const signalNumbers = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const;
for (const [signal, number] of Object.entries(signalNumbers)) process.once(signal, () => process.exit(128 + number));
process.once("exit", removeAll);

/** @throws Unavailable when there is no such place */
export async function roomIn(parent: string): Promise<number> {
  const { bavail, bsize } = await statfs(parent).catch((cause: Error) => {
    throw new Unavailable(`no ${parent} here`, { cause });
  });
  return bavail * bsize;
}

/**
 * A new folder with room for `bytes`.
 *
 * @throws Unavailable when there is no such place or not enough room
 */
export async function scratchFolder(parent: string, bytes: number): Promise<string> {
  if ((await roomIn(parent)) < bytes) throw new Unavailable(`${parent} has no room for ${bytes} bytes`);
  const folder = await mkdtemp(join(parent, "sluice-bench-"));
  folders.push(folder);
  return folder;
}

/** A resident file of pseudo-random content in the temp folder, made once a run. */
export function scratchFile(bytes: number): Promise<string> {
  const made = payloads.get(bytes) ?? makeFile(bytes);
  payloads.set(bytes, made);
  return made;
}

async function makeFile(bytes: number): Promise<string> {
  const path = join(await scratchFolder(tmpdir(), bytes), "payload");
  await writePayload(path, bytes);
  return path;
}

const comparedBytes = 2 ** 20;

export function isSame(one: string, other: string): boolean {
  const files = [one, other].map((path) => ({ fd: openSync(path, "r"), buffer: Buffer.allocUnsafe(comparedBytes) }));
  try {
    for (;;) {
      // A regular file gives less than is asked for at its end alone.
      const [ours, theirs] = files.map(({ fd, buffer }) => buffer.subarray(0, readSync(fd, buffer)));
      if (ours === undefined || theirs === undefined || !ours.equals(theirs)) return false;
      if (ours.length === 0) return true;
    }
  } finally {
    for (const { fd } of files) closeSync(fd);
  }
}
