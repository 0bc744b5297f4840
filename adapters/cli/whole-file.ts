/** Files that come from a stream and appear whole or not at all. */
import { randomBytes } from "node:crypto";
import { type FileHandle, link, open, realpath, rename, rm, stat, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { errnoText } from "../../core/errno.ts";
import { TransferError } from "../../core/error.ts";

export interface WholeFileOptions {
  /** Whether an existing file is replaced. When false: EEXIST. */
  readonly overwrite: boolean;
  /** fsync the file and its folder before resolving. */
  readonly durable: boolean;
}

/**
 * Lets `write` fill a temporary beside the target, and gives it the target's name when `write` is done.
 * When `write` fails the old target stays as it was. An existing target keeps its mode, and a symbolic
 * link stays one.
 */
export async function writeWholeFile<T>(
  path: string,
  options: WholeFileOptions,
  write: (file: FileHandle) => Promise<T>,
): Promise<T> {
  const old = await existing(path);
  if (old !== undefined && !options.overwrite)
    throw new TransferError(`Cannot write ${path}: ${errnoText("EEXIST")} (EEXIST)`, { code: "EEXIST" });
  const target = old?.path ?? path;
  const temporary = join(dirname(target), `.sluice-${randomBytes(6).toString("hex")}`);
  // Nobody may read the new content meanwhile who may not read the old.
  const file = await open(temporary, "wx", old === undefined ? 0o666 : old.mode & 0o600);
  try {
    const result = await write(file);
    if (old !== undefined) await file.chmod(old.mode);
    if (options.durable) await file.sync();
    await publish(temporary, target, options.overwrite);
    if (options.durable) await syncFolder(dirname(target));
    return result;
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}

/** Where a path leads to and the mode of what is there; undefined where there is nothing. */
async function existing(path: string): Promise<{ path: string; mode: number } | undefined> {
  try {
    const { mode } = await stat(path);
    return { path: await realpath(path), mode: mode & 0o7777 };
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** Whether the error is the platform's "no such file". */
export function isNotFound(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

async function publish(temporary: string, target: string, overwrite: boolean): Promise<void> {
  if (overwrite) return rename(temporary, target);
  // link() refuses a name that has come into being meanwhile, which rename() would replace.
  await link(temporary, target);
  await unlink(temporary);
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
