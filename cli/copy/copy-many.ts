/** Several sources, folders, and files that may be there already. */
import { lstat } from "node:fs/promises";
import { TransferError } from "sluice";
import { codeOf, errnoText } from "sluice/internal";
import type { JobContext } from "../job.ts";
import type { Pace } from "../pace.ts";
import { insideFolder, targetKind } from "../target.ts";
import { copyOne, type OneOptions } from "./copy-one.ts";
import { haveSameContent } from "./same-content.ts";
import { type Name, Tally, type TallyReport } from "./tally.ts";
import { copyTree } from "./tree.ts";

export interface ManyOptions extends OneOptions {
  readonly recursive?: boolean;
  readonly clobber: boolean;
  readonly checksum?: boolean;
  readonly verbose?: boolean;
}

const nameOf = (path: string): Name => ({ path, shown: path });

/** Copies each source. One that fails is told, and the others go on. */
export async function copyMany(
  sources: readonly string[],
  to: string,
  options: ManyOptions,
  context: JobContext,
  pace?: Pace,
): Promise<TallyReport> {
  const isFolder = (await targetKind(to)) === "folder";
  if (sources.length > 1 && !isFolder)
    throw new TransferError(`Cannot copy: ${errnoText("ENOTDIR")} (ENOTDIR, ${to})`, { code: "ENOTDIR" });
  const tally = new Tally(context, options.verbose === true);
  const { recursive = false, durable = false } = options;
  for (const path of sources) {
    const from = nameOf(path);
    const target = nameOf(isFolder && path !== "-" ? insideFolder(to, path) : to);
    if (recursive && path !== "-")
      await copyTree(from, target, tally, { ...options, durable }, (file, place) =>
        copyFile(file, place, { ...options, preserve: true }, tally, pace),
      );
    else await tally.attempt(from, target, () => copyFile(from, target, options, tally, pace));
  }
  return tally.report();
}

async function copyFile(from: Name, to: Name, options: ManyOptions, tally: Tally, pace?: Pace): Promise<void> {
  const { context } = tally;
  if (!options.clobber && (await isThere(to))) return tally.skipped(to, "it exists");
  if (options.checksum === true && from.path !== "-" && to.path !== "-")
    if (await haveSameContent(from.path, to.path, context.signal)) return tally.skipped(to, "it has the same content");
  try {
    const overwrite = options.overwrite && options.clobber;
    tally.copied("files", from, to, await copyOne(from.path, to.path, { ...options, overwrite }, context, pace));
  } catch (error) {
    // Somebody was faster.
    if (options.clobber || codeOf(error) !== "EEXIST") throw error;
    tally.skipped(to, "it exists");
  }
}

async function isThere({ path }: Name): Promise<boolean> {
  if (path === "-") return false;
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return false;
    throw error;
  }
}
