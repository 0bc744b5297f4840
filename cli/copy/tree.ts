/**
 * A folder and all that is in it, with modes and times, links as links. Nothing is followed out of either tree: folders
 * are held open, and each name is opened in its own.
 */
import { randomBytes } from "node:crypto";
import { type BigIntStats, constants } from "node:fs";
import { lstat, lutimes, mkdir, open, readlink, rename, symlink, unlink } from "node:fs/promises";
import { codeOf, keepTimes } from "sluice/internal";
import { HeldFolder } from "./folder.ts";
import type { Name, Tally } from "./tally.ts";

export interface TreeOptions {
  readonly overwrite: boolean;
  readonly clobber: boolean;
  readonly durable: boolean;
}

/** Copies one file of a tree; the paths are of files that are held open, and of names in folders that are. */
type CopyFile = (from: Name, to: Name) => Promise<void>;

interface Tree {
  readonly options: TreeOptions;
  readonly tally: Tally;
  readonly copyFile: CopyFile;
  /** The folder that all goes into, which may lie in the source. */
  root: BigIntStats | undefined;
}

type Facts = BigIntStats | undefined;

async function factsOf({ path }: Name): Promise<Facts> {
  try {
    return await lstat(path, { bigint: true });
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

const isSame = (one: Facts, other: Facts): boolean =>
  one !== undefined && other !== undefined && one.dev === other.dev && one.ino === other.ino;

/** Copies what a name means: a folder with all that is in it, a file, or a link. Never rejects but for what ends it all. */
export async function copyTree(
  from: Name,
  to: Name,
  tally: Tally,
  options: TreeOptions,
  copyFile: CopyFile,
): Promise<void> {
  await copyEntry(from, to, { options, tally, copyFile, root: undefined });
}

async function copyEntry(from: Name, to: Name, tree: Tree): Promise<void> {
  await tree.tally.attempt(from, to, async () => {
    const facts = await lstat(from.path, { bigint: true });
    if (facts.isDirectory()) await copyFolder(from, to, facts, tree);
    else if (facts.isSymbolicLink()) await copyLink(from, to, facts, tree);
    else if (facts.isFile()) await copyRegular(from, to, tree);
    else throw new Error("it is neither a file nor a folder nor a link");
  });
}

async function copyFolder(from: Name, to: Name, facts: BigIntStats, tree: Tree): Promise<void> {
  if (isSame(facts, tree.root)) throw new Error("a folder can't be copied into itself");
  if (tree.root === undefined && isSame(facts, await factsOf(to))) throw new Error("they are the same folder");
  const source = await HeldFolder.open(from);
  try {
    // Others have no business in it before it has its mode.
    await mkdir(to.path, 0o700).catch((error: unknown) => {
      if (codeOf(error) !== "EEXIST") throw error;
    });
    const target = await HeldFolder.open(to);
    try {
      tree.root ??= await target.handle.stat({ bigint: true });
      for (const name of await source.names()) await copyEntry(source.at(name), target.at(name), tree);
      await target.handle.chmod(Number(facts.mode) & 0o7777);
      // Last, for each name that was made in it has changed them.
      await keepTimes(target.handle, facts);
      if (tree.options.durable) await target.handle.sync();
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
  tree.tally.copied("folders", from, to);
}

async function copyRegular(from: Name, to: Name, tree: Tree): Promise<void> {
  // What was a file a moment ago may be a link by now, or a pipe.
  const source = await open(from.path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    await removeLink(to, tree.options);
    await tree.copyFile({ path: `/proc/self/fd/${source.fd}`, shown: from.shown }, to);
  } finally {
    await source.close();
  }
}

/** A link in the place of a file would be followed. */
async function removeLink(to: Name, { overwrite, clobber }: TreeOptions): Promise<void> {
  if (overwrite && clobber && (await factsOf(to))?.isSymbolicLink() === true) await unlink(to.path);
}

async function copyLink(from: Name, to: Name, facts: BigIntStats, { tally, options }: Tree): Promise<void> {
  const there = await factsOf(to);
  if (there !== undefined && !options.clobber) return tally.skipped(to, "it exists");
  const leadsTo = await readlink(from.path);
  if (there === undefined || !options.overwrite) await symlink(leadsTo, to.path);
  else await replaceByLink(leadsTo, to);
  await lutimes(to.path, Number(facts.atimeNs) / 1e9, Number(facts.mtimeNs) / 1e9);
  tally.copied("links", from, to);
}

/** The old one has the name until the link has it. */
async function replaceByLink(leadsTo: string, to: Name): Promise<void> {
  const folder = to.path.slice(0, to.path.lastIndexOf("/") + 1);
  const made = `${folder}.sluice-${randomBytes(8).toString("hex")}`;
  await symlink(leadsTo, made);
  try {
    await rename(made, to.path);
  } catch (error) {
    await unlink(made);
    throw error;
  }
}
