/** What a folder shows: what may be served, folders first, names in the order of people. */
import { closeSync, type Dirent } from "node:fs";
import { lstat, readdir, realpath } from "node:fs/promises";
import { join, sep } from "node:path";
import { openChecked } from "../../lib/fetch/beneath.ts";
import { isHidden } from "../../lib/fetch/request-path.ts";
import { callFailed, codeOf } from "../../lib/support/system-error.ts";

export interface Entry {
  readonly name: string;
  readonly kind: "folder" | "file";
  /** Bytes; of folders undefined. */
  readonly size: number | undefined;
  readonly modified: Date;
}

export interface Folder {
  readonly entries: readonly Entry[];
  /** How many more there are. */
  readonly omitted: number;
}

/** A page of more is of no use to people, and each entry costs an lstat(2). */
const mostEntries = 5_000;

/** How many are looked at side by side: the pool of libuv is shared with the downloads. */
const batchSize = 64;

const { compare } = new Intl.Collator("en", { numeric: true });

/** Errnos of a path that leads to no folder that may be seen; EXDEV: it leads out of the root. */
const absent: ReadonlySet<unknown> = new Set([
  "ENOENT",
  "ENOTDIR",
  "ENXIO",
  "EACCES",
  "EPERM",
  "ELOOP",
  "ENAMETOOLONG",
  "EXDEV",
]);

/**
 * Reads the folder at a path below the root, through one descriptor, so that nobody can put another in its place. Undefined where there is
 * none, where it leaves the root by a symbolic link, where a name of the path is hidden, and without /proc.
 *
 * @param root the real path of the root
 * @param names the path, a name at a time
 * @throws TransferError for what says nothing of the path: EMFILE, EIO, …
 */
export async function readFolder(root: string, names: readonly string[]): Promise<Folder | undefined> {
  if (!names.every(isShown)) return undefined;
  const fd = await openChecked(root, names.join("/") || ".");
  if (typeof fd === "string") {
    if (absent.has(fd)) return undefined;
    throw callFailed(`open ${names.join("/")}`, "open", fd);
  }
  try {
    return await readOpened(root, `/proc/self/fd/${fd}`, names.length);
  } finally {
    closeSync(fd);
  }
}

async function readOpened(root: string, path: string, depth: number): Promise<Folder | undefined> {
  const found = await orAbsent(readdir(path, { withFileTypes: true }));
  if (found === undefined) return undefined;
  const shown = found.filter(({ name }) => isShown(name, depth)).sort(order);
  const entries = await inBatches(shown.slice(0, mostEntries), (entry) => look(root, path, entry));
  return {
    entries: entries.filter((entry) => entry !== undefined).sort(order),
    omitted: Math.max(0, shown.length - mostEntries),
  };
}

/** A name that is one step down, and not hidden. Names of a path come from outside. */
const isShown = (name: string, depth: number): boolean => !/^$|^\.\.?$|[/\0]/.test(name) && !isHidden(name, depth);

/** Where a link leads to; undefined where that is outside of the root. */
async function targetOf(root: string, link: string): Promise<string | undefined> {
  const real = await orAbsent(realpath(link));
  const prefix = root.endsWith(sep) ? root : root + sep;
  return real === root || real?.startsWith(prefix) === true ? real : undefined;
}

const isFolder = (entry: Dirent | Entry): boolean => ("kind" in entry ? entry.kind === "folder" : entry.isDirectory());

function order(a: Dirent | Entry, b: Dirent | Entry): number {
  return Number(isFolder(b)) - Number(isFolder(a)) || compare(a.name, b.name);
}

/** Undefined for what would not be served: devices and pipes, links that lead nowhere or out of the root. */
async function look(root: string, folder: string, entry: Dirent): Promise<Entry | undefined> {
  const { name } = entry;
  const path = entry.isSymbolicLink() ? await targetOf(root, join(folder, name)) : join(folder, name);
  const facts = path === undefined ? undefined : await orAbsent(lstat(path));
  if (facts?.isDirectory() === true) return { name, kind: "folder", size: undefined, modified: facts.mtime };
  if (facts?.isFile() === true) return { name, kind: "file", size: facts.size, modified: facts.mtime };
  return undefined;
}

async function inBatches<T, U>(items: readonly T[], work: (item: T) => Promise<U>): Promise<U[]> {
  const results: U[] = [];
  for (let start = 0; start < items.length; start += batchSize)
    results.push(...(await Promise.all(items.slice(start, start + batchSize).map(work))));
  return results;
}

async function orAbsent<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    // Deno's, for want of a permission.
    if (error instanceof Error && error.name === "NotCapable") return undefined;
    if (absent.has(codeOf(error))) return undefined;
    throw error;
  }
}
