/** A range of a file in ordinary memory. */
import { readSync } from "node:fs";
import { checkWindow, type MapRange, truncatedError } from "../../core/mapping.ts";
import { explained } from "../support/system-error.ts";
import type { Memory } from "./memory.ts";

/** Bytes read in one call: a read of more than 2 GiB is not one that every runtime makes. */
const chunkBytes = 2 ** 30;

function readOrExplain(fd: number, bytes: Uint8Array, offset: number, name: string): number {
  try {
    return readSync(fd, bytes, 0, bytes.byteLength, offset);
  } catch (error) {
    throw explained(error, `read ${name}`, "pread");
  }
}

/** @throws TransferError `ERR_SLUICE_TRUNCATED` where the file ends before the range does */
function readRange(fd: number, name: string, offset: number, length: number): Uint8Array {
  checkWindow(length);
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const count = readOrExplain(fd, bytes.subarray(at, at + chunkBytes), offset + at, name);
    if (count === 0) throw truncatedError(name, at, offset);
    at += count;
  }
  return bytes;
}

export class CopiedMemory implements Memory {
  readonly length: number;
  #bytes: Uint8Array;

  constructor(fd: number, name: string, offset: number, length: number) {
    this.#bytes = readRange(fd, name, offset, length);
    this.length = length;
  }

  view({ start, end }: MapRange): Uint8Array {
    return this.#bytes.subarray(start, end);
  }

  lost(): undefined {
    return undefined;
  }

  advise(): void {
    // All of it is in memory already.
  }

  resident({ start, end }: MapRange): number {
    return end - start;
  }

  flush(): void {
    // Only shared mappings are flushed, and no copy is one.
  }

  release(): void {
    this.#bytes = new Uint8Array(0);
  }
}
