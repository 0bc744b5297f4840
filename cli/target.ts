/** Where the command line writes what isn't a file-to-file copy. */
import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { type Report, type Target, TransferError } from "sluice";
import { ReaderGoneError } from "./exit.ts";
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
  const name = basename(source);
  return `${folder}${folder.endsWith("/") ? "" : "/"}${name === ".." ? "." : name}`;
}

/** Writes a regular file as a whole; anything else directly. */
export async function writeTarget<T extends Report>(
  path: string,
  options: WholeFileOptions,
  write: (target: Target) => Promise<T>,
): Promise<T> {
  if (path === "-") return whileRead(write(standardOutput));
  const kind = await targetKind(path);
  if (kind === "folder")
    throw new TransferError(`Cannot write ${path}: ${errnoText("EISDIR")} (EISDIR)`, { code: "EISDIR" });
  return kind === "other" ? whileRead(write(path)) : writeWhole(path, options, write);
}

/** A pipe has no reader any more when it says so, and only then: what it is filled from has other words for its end. */
async function whileRead<T>(written: Promise<T>): Promise<T> {
  try {
    return await written;
  } catch (error) {
    throw codeOf(error) === "EPIPE" ? new ReaderGoneError("nobody reads it any more", { cause: error }) : error;
  }
}
