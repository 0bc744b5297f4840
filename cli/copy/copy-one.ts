/** One file, from wherever to wherever. */
import { constants } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { type CacheMode, copyFile, type CopyOptions, type Report, transfer } from "sluice";
import { writeWhole } from "sluice/internal";
import { UsageError } from "../exit.ts";
import type { JobContext } from "../job.ts";
import { atPace, type Pace } from "../pace.ts";
import { withSource } from "../source.ts";
import { targetKind, writeTarget } from "../target.ts";

type Choice = "auto" | "always" | "never";

export interface OneOptions {
  readonly overwrite: boolean;
  readonly preserve?: boolean;
  readonly reflink?: Choice;
  readonly sparse?: Choice;
  readonly cache?: CacheMode;
  readonly durable?: boolean;
}

/** Copies a file, a pipe, a device or standard input ("-") to one of those. */
export async function copyOne(
  from: string,
  to: string,
  options: OneOptions,
  context: JobContext,
  pace?: Pace,
): Promise<Report> {
  const source = from === "-" ? undefined : await stat(from);
  if (source?.isFile() === true && (await targetKind(to)) !== "other") {
    context.expect(source.size);
    return pace === undefined
      ? copyFile(from, to, { ...copyOptions(options), ...pick(context) })
      : copyPaced(from, to, options, context, pace);
  }
  refuseFileOptions(options);
  context.expect(source?.isFile() === true ? source.size : undefined);
  return writeTarget(to, { overwrite: options.overwrite, durable: options.durable === true }, async (end) => {
    if (pace === undefined) return transfer(from === "-" ? 0 : from, end, { ...pick(context), cache: options.cache });
    // What is opened by its path begins anew with each piece.
    const target = typeof end === "string" ? await open(end, constants.O_WRONLY) : undefined;
    try {
      return await withSource(from, ({ end: begin, offset }) =>
        atPace(pace, context, ({ moved, ...piece }) =>
          transfer(begin, target ?? end, { ...pick(context), ...piece, offset: offset(moved), cache: options.cache }),
        ),
      );
    } finally {
      await target?.close();
    }
  });
}

/** As `copyFile()` does it, but for the holes, which are filled. */
async function copyPaced(
  from: string,
  to: string,
  { overwrite, preserve = false, durable = false, cache }: OneOptions,
  context: JobContext,
  pace: Pace,
): Promise<Report> {
  const file = await open(from, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const source = await file.stat({ bigint: true });
    const made = { overwrite, durable, preserve, source, mode: Number(source.mode) & 0o777 };
    return await writeWhole(to, made, (target: FileHandle) =>
      atPace(pace, { ...context, length: Number(source.size) }, ({ moved, ...piece }) =>
        transfer(file, target, { ...pick(context), ...piece, offset: moved, targetOffset: moved, cache }),
      ),
    );
  } finally {
    await file.close();
  }
}

function pick({ signal, onProgress }: JobContext): Pick<CopyOptions, "signal" | "onProgress"> {
  return { signal, onProgress };
}

function copyOptions({ overwrite, preserve, reflink, sparse, cache, durable }: OneOptions): CopyOptions {
  return { overwrite, preserve, reflink, sparse, cache, durable };
}

/** What only a copy from file to file can keep is refused elsewhere, not ignored. */
function refuseFileOptions({ preserve, reflink, sparse }: OneOptions): void {
  for (const [name, value] of Object.entries({ preserve, reflink, sparse }))
    if (value !== undefined) throw new UsageError(`--${name} needs a regular file at both ends`);
}
