/**
 * Files whose size says nothing: those of procfs have 0 bytes to stat(2), those of sysfs a page, whatever is in them.
 * They are read before an answer promises a length.
 */
import { TransferError, withPaths } from "../../core/error.ts";
import { callFailed, codeOf } from "../support/system-error.ts";
import type { OpenFile } from "./open-file.ts";

const chunkSize = 65536;

/** They are settings and lists. What is longer is no document. */
const mostBytes = 16 * 1024 * 1024;

/** The bytes of a file that is made up as it is read; undefined for files that are what they say. */
export async function readUnsized(file: OpenFile): Promise<Uint8Array | undefined> {
  const { size, blocks } = file.stats;
  // What is made up has no blocks. Nor has a hole, which the first read tells apart.
  if (blocks > 0) return undefined;
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (let count = 1; count > 0; length += count) {
    const chunk = new Uint8Array(chunkSize);
    count = await file.read(chunk, length).catch((error: unknown) => {
      throw withPaths(callFailed("read file", "read", codeOf(error) ?? "EIO", error), file);
    });
    if (length === 0 && count === Math.min(size, chunkSize)) return undefined;
    if (length + count > mostBytes)
      throw new TransferError("Cannot serve file: its size is not its length, and it has no end in sight", {
        code: "EFBIG",
        path: file.path,
      });
    chunks.push(chunk.subarray(0, count));
  }
  // No Buffer: its slices are no copies.
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  return bytes;
}
