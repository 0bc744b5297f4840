/** Where the command line writes what isn't a file-to-file copy. */
import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { type Report, type Target, TransferError } from "sluice";
import { codeOf, errnoText, type WholeFileOptions, writeWhole } from "sluice/internal";

/** The descriptor that "-" stands for. */
const standardOutput = 1;

/** What a path leads to: a regular file (or nothing yet), or something that can only be written through. */
export type TargetKind = "file" | "folder" | "other";

export async function targetKind(path: string): Promise<TargetKind> {
  if (path === "-") return "other";
  try {
    const facts = await stat(path);
    if (facts.isDirectory()) return "folder";
    return facts.isFile() ? "file" : "other";
  } catch (error) {
    if (codeOf(error) === "ENOENT") return "file";
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
  return kind === "other" ? write(path) : writeWhole(path, options, write);
}
