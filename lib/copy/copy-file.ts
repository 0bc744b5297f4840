/** Copies a file as a whole. */
import { type BigIntStats, constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import type { Endpoint } from "../../core/plan/endpoint.ts";
import { argumentError, shown, tellingPaths, TransferError, withProgress } from "../../core/error.ts";
import type { Strategy } from "../../core/plan/kernel.ts";
import type { Report } from "../../core/transfer/report.ts";
import { checkKnown } from "../../core/options.ts";
import { checkOptions } from "../../core/transfer/request.ts";
import { checkCountable } from "../../core/plan/select.ts";
import { type CopyOptions, copyOptions } from "../api.ts";
import { inspectFd } from "../ends/inspect-fd.ts";
import type { Machine } from "../engine/machine.ts";
import { asTransferError, callFailed, fsCall } from "../support/system-error.ts";
import { sourceOf } from "../ends/recognise.ts";
import { transferFrom } from "../transfer/transfer.ts";
import { pathOf } from "./path.ts";
import { WholeFile } from "./whole-file.ts";

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

/** Whether to look for holes at all. The engine does; without it they are filled. */
function keepsHoles({ engine }: Machine, { size, allocated }: Endpoint, { sparse, reflink }: CopyOptions): boolean {
  if (engine === undefined || size === undefined || sparse === "never" || reflink === "always") return false;
  return sparse === "always" || (allocated ?? size) < size;
}

/** Moves the content: as much as there was when the source was opened. */
async function fill(
  machine: Machine,
  from: FileHandle,
  source: Endpoint,
  to: FileHandle,
  options: CopyOptions,
): Promise<Report> {
  const { signal, onProgress, cache = "normal" } = options;
  const strategy = cache === "direct" ? "auto" : strategiesFor[options.reflink ?? "auto"];
  const { size } = source;
  const asked = { length: size, targetOffset: 0, strategy, cache, signal, onProgress };
  const report = await transferFrom(machine, sourceOf(from, machine.runtime), to, asked, {
    keepsHoles: keepsHoles(machine, source, options),
  });
  const { bytes, strategy: by, attempts } = report;
  if (size === undefined || bytes >= size) return report;
  // To the transfer, which began later, that was all there is.
  throw new TransferError(
    `Cannot copy ${source.name}: expected ${size - bytes} more bytes at offset ${bytes}, source was truncated`,
    { code: "ERR_SLUICE_TRUNCATED", strategy: by, bytesTransferred: bytes, sourceOffset: bytes, attempts },
  );
}

/** The source, described before the first read, which may change its access time. */
async function examine(machine: Machine, source: FileHandle, name: string): Promise<[BigIntStats, Endpoint]> {
  const before = await source.stat({ bigint: true });
  const found = inspectFd(machine.native, source.fd, name);
  if (found.kind === "directory") throw callFailed(`copy ${name}`, "open", "EISDIR");
  if (found.kind !== "file")
    throw new TransferError(`Cannot copy ${name}: it is not a regular file; use transfer()`, {
      code: "ERR_SLUICE_UNSUPPORTED",
    });
  checkCountable(name, found.size ?? 0);
  return [before, found];
}

/** Copies a file; see the entry of each runtime for the contract. */
export async function copyFile(
  machine: Machine,
  from: string | URL,
  to: string | URL,
  options: CopyOptions = {},
): Promise<Report> {
  checkCopyOptions(options);
  const path = pathOf(from, "from");
  const dest = pathOf(to, "to");
  return tellingPaths({ path, dest }, copyPath(machine, path, dest, options));
}

async function copyPath(machine: Machine, name: string, to: string, options: CopyOptions): Promise<Report> {
  const started = performance.now();
  const { overwrite = true, durable = false, preserve = false } = options;
  const source = await fsCall(`open ${name}`, "open", open(name, constants.O_RDONLY | constants.O_NONBLOCK));
  let target: WholeFile | undefined;
  try {
    const [before, found] = await examine(machine, source, name);
    const made = { overwrite, durable, preserve, source: before, mode: Number(before.mode) & 0o777 };
    target = await WholeFile.create(machine, to, made);
    const report = await fill(machine, source, found, target.handle, options);
    await target.publish().catch((error: unknown) => {
      throw withProgress(error, report);
    });
    return { ...report, durationNs: Math.round((performance.now() - started) * 1e6) };
  } catch (error) {
    throw asTransferError(error);
  } finally {
    await target?.dispose();
    await source.close();
  }
}
