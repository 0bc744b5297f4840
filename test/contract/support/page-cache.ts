/** What of a file is in the page cache. */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";

/** Bytes of a file that are in the page cache, in whole pages (mincore(2), by fincore). */
export function bytesInCache(path: string): number {
  const args = ["--raw", "--bytes", "--noheadings", "--output", "res", path];
  return Number(execFileSync("fincore", args, { encoding: "utf8" }));
}

/** Writes a file to the disk and drops it from the page cache (POSIX_FADV_DONTNEED, by dd). */
export function dropFromCache(path: string): void {
  const fd = fs.openSync(path, "r+");
  fs.fsyncSync(fd);
  fs.closeSync(fd);
  execFileSync("dd", [`if=${path}`, "iflag=nocache", "count=0"], { stdio: "pipe" });
}

/** Brings the first bytes of a file into the page cache, and what the kernel reads ahead. */
export function bringIntoCache(path: string, length: number): void {
  const fd = fs.openSync(path, "r");
  fs.readSync(fd, Buffer.alloc(length), 0, length, 0);
  fs.closeSync(fd);
}
