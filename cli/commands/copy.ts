/** `sluice copy FROM… TO` */
import { Command, Option } from "commander";
import { cacheOption, jsonOption, limitOption, quietOption } from "../arguments.ts";
import { copyMany, type ManyOptions } from "../copy/copy-many.ts";
import { copyOne } from "../copy/copy-one.ts";
import { summary } from "../copy/tally.ts";
import { UsageError } from "../exit.ts";
import { type JobContext, type JobOptions, runJob } from "../job.ts";
import { Pace } from "../pace.ts";
import { insideFolder, targetKind } from "../target.ts";

interface Options extends JobOptions, ManyOptions {
  readonly limit?: number;
}

const choices = (flags: string, about: string) => new Option(flags, about).choices(["auto", "always", "never"]);

export const copyCommand = (): Command =>
  new Command("copy")
    .description("copy files and folders; each target is the old file or the whole new one, never half")
    .usage("[options] <from...> <to>")
    .argument(
      "<paths...>",
      'what to copy ("-" is standard input), and last where to: a file, a folder, a pipe or device, or "-" for standard output',
    )
    .option("-r, --recursive", "copy folders with all that is in them, with modes and times, links as links")
    .option("-n, --no-clobber", "leave files alone that exist")
    .option("--no-overwrite", "fail when the target exists")
    .option("--checksum", "leave files alone that have the same content already")
    .option("--preserve", "keep the mode and times exactly")
    .addOption(choices("--reflink <when>", "share blocks with the source until one is written (default: auto)"))
    .addOption(choices("--sparse <when>", "keep holes as holes (default: auto)"))
    .addOption(cacheOption())
    .addOption(limitOption())
    .option("--durable", "fsync the file and its folder before it is done")
    .option("-v, --verbose", "say on stderr what is copied, file by file")
    .addOption(quietOption())
    .addOption(jsonOption())
    .action(async (paths: readonly string[], options: Options, command: Command) => {
      const sources = paths.slice(0, -1);
      const to = paths.at(-1);
      if (to === undefined || sources.length === 0) return command.error("error: missing required argument 'to'");
      await run(sources, to, options);
    });

async function run(sources: readonly string[], to: string, options: Options): Promise<void> {
  const pace = options.limit === undefined ? undefined : new Pace(options.limit);
  const { clobber, recursive, checksum, verbose } = options;
  const [from] = sources;
  if (from !== undefined && sources.length === 1 && clobber && !recursive && !checksum && !verbose)
    return runJob(`copy ${from} to ${to}`, options, (context) => {
      check(sources, to, options);
      return copyInto(from, to, options, context, pace);
    });
  await runJob(
    `copy to ${to}`,
    options,
    (context) => {
      check(sources, to, options);
      return copyMany(sources, to, options, context, pace);
    },
    summary,
  );
}

async function copyInto(from: string, to: string, options: Options, context: JobContext, pace?: Pace) {
  const isInside = from !== "-" && (await targetKind(to)) === "folder";
  return copyOne(from, isInside ? insideFolder(to, from) : to, options, context, pace);
}

/** What can't be meant together. */
function check(sources: readonly string[], to: string, { json, limit, reflink, sparse }: Options): void {
  if (to === "-" && json === true) throw new UsageError("standard output is taken by the copy, not by --json");
  if (sources.length > 1 && sources.includes("-")) throw new UsageError("standard input is copied alone");
  // Pieces are written one after the other: they share no blocks, and leave no holes.
  for (const [name, value] of Object.entries({ reflink, sparse }))
    if (limit !== undefined && value === "always") throw new UsageError(`--${name} always has no rate to --limit`);
}
