/** `sluice copy FROM TO` */
import { stat } from "node:fs/promises";
import { Command, Option } from "commander";
import type { CacheMode } from "../../core/plan/kernel.ts";
import type { Report } from "../../core/transfer/report.ts";
import { copyFile, transfer } from "../../adapters/node.ts";
import type { CopyOptions } from "../../lib/api.ts";
import { cacheOption, jsonOption, quietOption } from "../arguments.ts";
import { UsageError } from "../exit.ts";
import { type JobContext, type JobOptions, runJob } from "../job.ts";
import { insideFolder, targetKind, writeTarget } from "../target.ts";

type Choice = "auto" | "always" | "never";

interface Options extends JobOptions {
  readonly overwrite: boolean;
  readonly preserve?: boolean;
  readonly reflink?: Choice;
  readonly sparse?: Choice;
  readonly cache?: CacheMode;
  readonly durable?: boolean;
}

const choices = (flags: string, about: string) => new Option(flags, about).choices(["auto", "always", "never"]);

export const copyCommand = (): Command =>
  new Command("copy")
    .description("copy a file; the target is the old one or the whole new one, never half")
    .argument("<from>", 'what to copy; "-" is standard input')
    .argument("<to>", 'where to: a file, a folder, a pipe or device, or "-" for standard output')
    .option("--no-overwrite", "fail when the target exists")
    .option("--preserve", "keep the mode and times exactly")
    .addOption(choices("--reflink <when>", "share blocks with the source until one is written (default: auto)"))
    .addOption(choices("--sparse <when>", "keep holes as holes (default: auto)"))
    .addOption(cacheOption())
    .option("--durable", "fsync the file and its folder before it is done")
    .addOption(quietOption())
    .addOption(jsonOption())
    .action((from: string, to: string, options: Options) =>
      runJob(`copy ${from} to ${to}`, options, (context) => copy(from, to, options, context)),
    );

async function copy(from: string, to: string, options: Options, context: JobContext): Promise<Report> {
  if (to === "-" && options.json === true) throw new UsageError("standard output is taken by the copy, not by --json");
  const kind = await targetKind(to);
  const target = kind === "folder" && from !== "-" ? insideFolder(to, from) : to;
  const source = from === "-" ? undefined : await stat(from);
  if (source?.isFile() === true && kind !== "other") {
    context.expect(source.size);
    return copyFile(from, target, { ...copyOptions(options), ...pick(context) });
  }
  refuseFileOptions(options);
  context.expect(source?.isFile() === true ? source.size : undefined);
  return writeTarget(target, { overwrite: options.overwrite, durable: options.durable === true }, (end) =>
    transfer(from === "-" ? 0 : from, end, { ...pick(context), cache: options.cache }),
  );
}

function pick({ signal, onProgress }: JobContext): Pick<CopyOptions, "signal" | "onProgress"> {
  return { signal, onProgress };
}

function copyOptions({ overwrite, preserve, reflink, sparse, cache, durable }: Options): CopyOptions {
  return { overwrite, preserve, reflink, sparse, cache, durable };
}

/** What only a copy from file to file can keep is refused elsewhere, not ignored. */
function refuseFileOptions({ preserve, reflink, sparse }: Options): void {
  for (const [name, value] of Object.entries({ preserve, reflink, sparse }))
    if (value !== undefined) throw new UsageError(`--${name} needs a regular file at both ends`);
}
