/** Files to send and what is in them. */
import * as fs from "node:fs";
import { join } from "node:path";
import { randomBytes } from "../../support/data.ts";

export const KiB = 1024;
export const MiB = 1024 * KiB;
export const GiB = 1024 * MiB;

/** Reproducible bytes as a Buffer. */
export function data(length: number, seed = 1): Buffer {
  return Buffer.from(randomBytes(length, seed).buffer, 0, length);
}

/** Makes a file of {@link data} in a folder and answers its path and content. */
export function dataFile(folder: string, length: number, seed = 1): { path: string; content: Buffer } {
  const path = join(folder, `data-${length}-${seed}`);
  const content = data(length, seed);
  fs.writeFileSync(path, content);
  return { path, content };
}

/** Makes a file of `size` bytes that is all hole except for the pieces given by offset. */
export function sparseFile(path: string, size: number, pieces: Readonly<Record<number, Uint8Array>> = {}): string {
  const fd = fs.openSync(path, "w");
  fs.ftruncateSync(fd, size);
  for (const [offset, bytes] of Object.entries(pieces)) fs.writeSync(fd, bytes, 0, bytes.length, Number(offset));
  fs.closeSync(fd);
  return path;
}

/** Up to `length` bytes of a file at `offset`. */
export function readRange(path: string, offset: number, length: number): Buffer {
  const fd = fs.openSync(path, "r");
  const bytes = Buffer.alloc(length);
  const count = fs.readSync(fd, bytes, 0, length, offset);
  fs.closeSync(fd);
  return bytes.subarray(0, count);
}

/** Bytes of disk that a file occupies. */
export const allocated = (path: string): number => fs.statSync(path).blocks * 512;

/** Asserts equality and names the first byte that differs, where a diff of megabytes would help nobody. */
export function assertBytes(actual: Buffer, expected: Buffer, what = "bytes"): void {
  if (actual.equals(expected)) return;
  let at = 0;
  while (at < actual.length && actual[at] === expected[at]) at++;
  throw new Error(`${what}: ${actual.length} came where ${expected.length} should, the first difference is at ${at}`);
}
