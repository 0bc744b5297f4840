/**
 * Copies a file as a whole: the target is its old self or the complete new one, whatever happens.
 *
 * The bytes go into a temporary in the target's folder, unnamed (O_TMPFILE, Linux 3.11) where the
 * filesystem can, so that kill -9 leaves nothing behind; it gets its name when complete. Only an old file
 * can't be replaced in one call: the complete copy then has a name of its own between link and rename.
 */
import { type BigIntStats, constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import { timesRecord } from "../../../core/records.ts";
import { type Endpoint, isSameFile } from "../../../core/endpoint.ts";
import { errnoName } from "../../../core/errno.ts";
import { argumentError, shown, TransferError } from "../../../core/error.ts";
import type { CacheMode, Strategy } from "../../../core/kernel.ts";
import type { Report } from "../../../core/report.ts";
import { checkKnown } from "../../../core/options.ts";
import { checkOptions } from "../../../core/request.ts";
import { type CopyOptions, copyOptions } from "../api.ts";
import { RecordMemory } from "../engine/record-memory.ts";
import { inspectFd } from "../inspect.ts";
import type { Machine } from "../machine.ts";
import { fsCall, callFailed } from "../system-error.ts";
import { transfer } from "../transfer.ts";
import { destination, existing, pathOf, syncFolder } from "./destination.ts";
import { extentsOf, isSparse } from "./sparse.ts";
import { Temporary } from "./temporary.ts";

const permissionBits = 0o7777;

type Reflink = NonNullable<CopyOptions["reflink"]>;

/** On filesystems that share blocks copy_file_range may do so too: "never" goes without it, as cp does. */
const strategiesFor: Readonly<Record<Reflink, "auto" | readonly Strategy[]>> = {
  auto: "auto",
  always: ["reflink"],
  never: ["splice", "buffered", "portable"],
};

const choices = {
  reflink: ["auto", "always", "never"],
  sparse: ["auto", "always", "never"],
} as const;

function checkCopyOptions(options: CopyOptions): void {
  checkKnown(options, copyOptions);
  const { signal, onProgress, cache } = options;
  checkOptions({ signal, onProgress, cache });
  for (const name of ["reflink", "sparse"] as const) {
    const value: unknown = options[name];
    if (value !== undefined && !choices[name].some((choice) => choice === value))
      throw argumentError(
        "ERR_INVALID_ARG_VALUE",
        `${name} must be one of ${choices[name].join(", ")}, got ${shown(value)}`,
      );
  }
  if (cache === "direct" && options.reflink === "always")
    throw argumentError("ERR_INVALID_ARG_VALUE", 'cache "direct" copies every block, and reflink "always" none');
  for (const name of ["overwrite", "preserve", "durable"] as const) {
    const value: unknown = options[name];
    if (value !== undefined && typeof value !== "boolean")
      throw argumentError("ERR_INVALID_ARG_TYPE", `${name} must be a boolean, got ${typeof value}`);
  }
}

function merge(reports: readonly Report[], bytes: number, cache: CacheMode): Report {
  const sum = (pick: (report: Report) => number) => reports.reduce((total, report) => total + pick(report), 0);
  const last = reports.at(-1);
  return {
    bytes,
    strategy: last?.strategy,
    attempts: reports.flatMap(({ attempts }) => attempts),
    copied: reports.some(({ copied }) => copied === "yes") ? "yes" : (last?.copied ?? "no"),
    cache,
    syscalls: sum(({ syscalls }) => syscalls),
    waits: sum(({ waits }) => waits),
    cpuNs: sum(({ cpuNs }) => cpuNs),
    leaseBroken: false,
    durationNs: 0,
  };
}

/** Moves the content; holes stay holes where the file has any and sparse allows it. */
async function fill(
  machine: Machine,
  from: number,
  source: Endpoint,
  to: FileHandle,
  options: CopyOptions,
): Promise<Report> {
  const { signal, onProgress, cache = "normal" } = options;
  const strategy = cache === "direct" ? "auto" : strategiesFor[options.reflink ?? "auto"];
  const { size } = source;
  if (size === undefined || !isSparse(source, options.sparse) || options.reflink === "always")
    return transfer(machine, from, to, { targetOffset: 0, strategy, cache, signal, onProgress });
  const reports: Report[] = [];
  let copied = 0;
  for (const { start, end } of extentsOf(machine, from, size)) {
    const range = { offset: start, targetOffset: start, length: end - start };
    const progress = onProgress && ((bytes: number) => onProgress(start + bytes));
    const report = await transfer(machine, from, to, { ...range, strategy, cache, signal, onProgress: progress });
    reports.push(report);
    copied += report.bytes;
    // A run that was cut off before its turn is no truncation to its own transfer, which sees the file as it is then.
    if (report.bytes < end - start)
      throw new TransferError(
        `Cannot copy: expected ${end - start - report.bytes} more bytes at offset ${start + report.bytes}, source was truncated`,
        { code: "ERR_SLUICE_TRUNCATED", bytesTransferred: copied, sourceOffset: start + report.bytes },
      );
  }
  await fsCall("copy", "ftruncate", to.truncate(size));
  onProgress?.(size);
  return merge(reports, size, cache);
}

/** Copies a file; see the entry of each runtime for the contract. */
export async function copyFile(
  machine: Machine,
  from: string | URL,
  to: string | URL,
  options: CopyOptions = {},
): Promise<Report> {
  const started = performance.now();
  checkCopyOptions(options);
  const name = pathOf(from, "from");
  const overwrite = options.overwrite ?? true;
  const source = await fsCall(`open ${name}`, "open", open(name, constants.O_RDONLY | constants.O_NONBLOCK));
  let temporary: Temporary | undefined;
  try {
    // Before the first read, which may change the access time.
    const before = await source.stat({ bigint: true });
    const found = inspectFd(machine.native, source.fd, name);
    if (found.kind === "directory") throw callFailed(`copy ${name}`, "open", "EISDIR");
    if (found.kind !== "file")
      throw new TransferError(`Cannot copy ${name}: it is not a regular file; use transfer()`, {
        code: "ERR_SLUICE_UNSUPPORTED",
      });
    const named = pathOf(to, "to");
    // O_EXCL does not follow links either: one that leads nowhere is there all the same.
    if (!overwrite) await existing(named, overwrite);
    const path = await destination(named);
    const old = await existing(path, overwrite);
    if (old !== undefined) await refuseSameFile(machine, found, path);
    temporary = await Temporary.create(machine, path, Number(before.mode) & 0o777);
    const report = await fill(machine, source.fd, found, temporary.handle, options);
    await finish(machine, before, temporary.handle, old, options);
    await temporary.publish(overwrite);
    if (options.durable) await syncFolder(dirname(path));
    return { ...report, durationNs: Math.round((performance.now() - started) * 1e6) };
  } finally {
    await temporary?.dispose();
    await source.close();
  }
}

async function refuseSameFile(machine: Machine, source: Endpoint, path: string): Promise<void> {
  const handle = await fsCall(`open ${path}`, "open", open(path, constants.O_RDONLY | constants.O_NONBLOCK)).catch(
    (error: unknown) => {
      // A target that can't be read can still be replaced.
      if (error instanceof TransferError && error.code === "EACCES") return undefined;
      throw error;
    },
  );
  try {
    if (handle !== undefined && isSameFile(source, inspectFd(machine.native, handle.fd, path)))
      throw new TransferError(`Cannot copy ${source.name}: ${path} is the same file`, { code: "ERR_SLUICE_OVERLAP" });
  } finally {
    await handle?.close();
  }
}

/** Gives the copy its mode and times. */
async function finish(
  machine: Machine,
  source: BigIntStats,
  copy: FileHandle,
  old: { readonly mode: number } | undefined,
  options: CopyOptions,
): Promise<void> {
  if (options.preserve) {
    await fsCall("copy", "fchmod", copy.chmod(Number(source.mode) & permissionBits));
    await setTimes(machine, source, copy);
  } else if (old !== undefined) {
    // The permissions of a file that is replaced stay, as when cp writes into it.
    await fsCall("copy", "fchmod", copy.chmod(old.mode & permissionBits));
  }
  if (options.durable) await fsCall("copy", "fsync", copy.sync());
}

const billion = 1_000_000_000n;

async function setTimes({ native }: Machine, { atimeNs, mtimeNs }: BigIntStats, copy: FileHandle): Promise<void> {
  if (typeof native === "string") {
    // A double holds the seconds of our time to a quarter of a microsecond; a Date only to a millisecond.
    await fsCall("copy", "futimens", copy.utimes(Number(atimeNs) / 1e9, Number(mtimeNs) / 1e9));
    return;
  }
  const { bytes, view } = new RecordMemory(timesRecord.size);
  timesRecord.set(view, "access_s", Number(atimeNs / billion));
  timesRecord.set(view, "access_ns", Number(atimeNs % billion));
  timesRecord.set(view, "modify_s", Number(mtimeNs / billion));
  timesRecord.set(view, "modify_ns", Number(mtimeNs % billion));
  const answer = native.sluice_set_times(copy.fd, bytes);
  if (answer < 0) throw callFailed("copy", "utimensat", errnoName(-answer));
}
