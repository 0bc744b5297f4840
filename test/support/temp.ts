/** Temporary folders and files of one test process, removed when it exits. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

const folders: string[] = [];

/** Makes a new folder. `base` chooses the filesystem: "/dev/shm" for tmpfs. */
export function tempFolder(base: string = tmpdir()): string {
  const path = mkdtempSync(join(base, "sluice-test-"));
  if (folders.length === 0) process.once("exit", removeAll);
  folders.push(path);
  return path;
}

function removeAll(): void {
  for (const path of folders) rmSync(path, { recursive: true, force: true });
}

/** Makes a file with this content in a new folder, and returns its path. */
export function tempFile(content: Uint8Array | string, base?: string): string {
  const path = join(tempFolder(base), "file");
  writeFileSync(path, content);
  return path;
}
