/** Where the command line writes what isn't a file-to-file copy. */
import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { errnoText } from "../core/abi/errno.ts";
import { TransferError, withProgress } from "../core/error.ts";
import type { Report } from "../core/transfer/report.ts";
import { node } from "../adapters/node/ffi.ts";
import type { Target } from "../lib/api.ts";
import { WholeFile, type WholeFileOptions } from "../lib/copy/whole-file.ts";
import { machineOf } from "../lib/engine/machine.ts";

/** The descriptor that "-" stands for. */
const standardOutput = 1;

/** What a path leads to: a regular file (or nothing yet), or something that can only be written through. */
export type TargetKind = "file" | "folder" | "other";

/** Whether the error is the platform's "no such file". */
export function isNotFound(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

export async function targetKind(path: string): Promise<TargetKind> {
  if (path === "-") return "other";
  try {
    const facts = await stat(path);
    if (facts.isDirectory()) return "folder";
    return facts.isFile() ? "file" : "other";
  } catch (error) {
    if (isNotFound(error)) return "file";
    throw error;
  }
}

/** The file that is meant when a folder is named as the target, as with cp. path.join would take ".." out by the text. */
export function insideFolder(folder: string, source: string): string {
  return `${folder}${folder.endsWith("/") ? "" : "/"}${basename(source)}`;
}

/** Writes a regular file as a whole; anything else directly. */
export async function writeTarget<T extends Report>(
  path: string,
  options: WholeFileOptions,
  write: (target: Target) => Promise<T>,
): Promise<T> {
  if (path === "-") return write(standardOutput);
  const kind = await targetKind(path);
  if (kind === "folder")
    throw new TransferError(`Cannot write ${path}: ${errnoText("EISDIR")} (EISDIR)`, { code: "EISDIR" });
  if (kind === "other") return write(path);
  const file = await WholeFile.create(machineOf(node), path, options);
  try {
    const result = await write(file.handle);
    await file.publish().catch((error: unknown) => {
      throw withProgress(error, result);
    });
    return result;
  } finally {
    await file.dispose();
  }
}
