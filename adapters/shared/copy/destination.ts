/** Where a path leads to, for whoever replaces the file there as a whole. */
import { constants } from "node:fs";
import { lstat, open, readlink } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { argumentError, TransferError } from "../../../core/error.ts";
import { callFailed, codeOf, explained, fsCall } from "../system-error.ts";

/** The path in an argument. @throws TypeError where it is none */
export function pathOf(value: unknown, name: string): string {
  if (typeof value === "string") return value;
  if (value instanceof URL) return fileURLToPath(value);
  throw argumentError("ERR_INVALID_ARG_TYPE", `${name} must be a path or file URL, got ${typeof value}`);
}

/** As many links as the kernel follows (path_resolution(7)). */
const mostLinks = 40;

/**
 * The file that a path leads to, through symbolic links: it is replaced, not the link to it. Only the last
 * part is looked at, for the folders before it are the kernel's to resolve.
 */
export async function destination(path: string): Promise<string> {
  let at = path;
  for (let links = 0; links <= mostLinks; links++) {
    const next = await readlink(at).catch((error: unknown) => {
      // EINVAL: it is no link. ENOENT: it is not there yet.
      if (codeOf(error) === "EINVAL" || codeOf(error) === "ENOENT") return undefined;
      throw explained(error, `open ${path}`, "open");
    });
    if (next === undefined && at.endsWith("/")) throw callFailed(`open ${path}`, "open", "EISDIR");
    if (next === undefined) return at;
    at = resolve(dirname(at), next);
  }
  throw callFailed(`open ${path}`, "open", "ELOOP");
}

/** The existing target, which must be a regular file, or undefined. */
export async function existing(path: string, overwrite: boolean): Promise<{ mode: number } | undefined> {
  const stats = await lstat(path).catch((error: unknown) => {
    if (codeOf(error) === "ENOENT") return undefined;
    throw explained(error, `open ${path}`, "lstat");
  });
  if (stats === undefined) return undefined;
  if (stats.isDirectory()) throw callFailed(`copy to ${path}`, "open", "EISDIR");
  if (!overwrite) throw callFailed(`copy to ${path}`, "link", "EEXIST");
  if (!stats.isFile() && !stats.isSymbolicLink())
    throw new TransferError(`Cannot copy to ${path}: it is not a regular file and can't be replaced; use transfer()`, {
      code: "ERR_SLUICE_UNSUPPORTED",
    });
  return stats;
}

/** Makes sure that a folder's entries are on the disk. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await fsCall(`sync ${path}`, "open", open(path, constants.O_RDONLY | constants.O_DIRECTORY));
  try {
    await fsCall(`sync ${path}`, "fsync", folder.sync());
  } finally {
    await folder.close();
  }
}
