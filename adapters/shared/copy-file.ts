/**
 * Copies a file as a whole: the target is its old self or the complete new one, whatever happens.
 *
 * The bytes go into a temporary in the target's folder, unnamed (O_TMPFILE, Linux 3.11) where the
 * filesystem can, so that not even kill -9 leaves anything behind; it gets its name when complete.
 */
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, link, lstat, open, realpath, rename, unlink } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { extentRecord } from "../../core/abi.ts";
import type { Endpoint } from "../../core/endpoint.ts";
import { isSameFile } from "../../core/endpoint.ts";
import { errnoName } from "../../core/errno.ts";
import { argumentError, TransferError } from "../../core/error.ts";
import type { Strategy } from "../../core/kernel.ts";
import type { Report } from "../../core/report.ts";
import type { CopyOptions } from "./api.ts";
import { RecordMemory } from "./engine.ts";
import { callFailed, inspectFd } from "./inspect.ts";
import type { Machine } from "./machine.ts";
import { transfer } from "./transfer.ts";

/** In linux/fcntl.h, but not in node:fs. The value includes O_DIRECTORY, as the kernel wants it. */
const O_TMPFILE = 0o20200000;
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
  for (const name of ["reflink", "sparse"] as const) {
    const value: unknown = options[name];
    if (value !== undefined && !choices[name].some((choice) => choice === value))
      throw argumentError(
        "ERR_INVALID_ARG_VALUE",
        `${name} must be one of ${choices[name].join(", ")}, got ${String(value)}`,
      );
  }
}

function pathOf(value: unknown, name: string): string {
  if (typeof value === "string") return value;
  if (value instanceof URL) return fileURLToPath(value);
  throw argumentError("ERR_INVALID_ARG_TYPE", `${name} must be a path or file URL, got ${typeof value}`);
}

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";

/** Runs a file-system call and turns its errors into TransferErrors. */
async function call<T>(what: string, syscall: string, promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    const code = codeOf(error);
    throw code === "" || code.startsWith("ERR_") ? error : callFailed(what, syscall, code, error);
  }
}

/** The file that a path leads to, through symbolic links: it is replaced, not the link to it. */
async function destination(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw callFailed(`open ${path}`, "open", codeOf(error), error);
    return resolve(path);
  }
}

/** The existing target, which must be a regular file, or undefined. */
async function existing(path: string, overwrite: boolean): Promise<{ mode: number } | undefined> {
  const stats = await lstat(path).catch((error: unknown) => {
    if (codeOf(error) === "ENOENT") return undefined;
    throw callFailed(`open ${path}`, "lstat", codeOf(error), error);
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

/** The file under construction. */
class Temporary {
  readonly handle: FileHandle;
  /** Undefined while it has no name. */
  #path: string | undefined;
  readonly #target: string;
  readonly #machine: Machine;

  private constructor(machine: Machine, handle: FileHandle, target: string, path: string | undefined) {
    this.#machine = machine;
    this.handle = handle;
    this.#target = target;
    this.#path = path;
  }

  static #siblingOf(target: string): string {
    return join(dirname(target), `.${basename(target)}.${randomBytes(6).toString("hex")}.sluice`);
  }

  static async create(machine: Machine, target: string, mode: number): Promise<Temporary> {
    if (typeof machine.native !== "string") {
      try {
        const handle = await open(dirname(target), O_TMPFILE | constants.O_RDWR, mode);
        return new Temporary(machine, handle, target, undefined);
      } catch (error) {
        // EOPNOTSUPP and EISDIR: not on this filesystem, or not in this kernel (open(2)).
        if (!["EOPNOTSUPP", "EISDIR", "EINVAL"].includes(codeOf(error)))
          throw callFailed(`create ${target}`, "open", codeOf(error), error);
      }
    }
    const path = Temporary.#siblingOf(target);
    const handle = await call(`create ${target}`, "open", open(path, "wx+", mode));
    return new Temporary(machine, handle, target, path);
  }

  /** Gives the file its name, in one step that either happens or doesn't. */
  async publish(overwrite: boolean): Promise<void> {
    if (this.#path === undefined && this.#link(this.#target)) return;
    if (!overwrite && this.#path === undefined) throw callFailed(`copy to ${this.#target}`, "link", "EEXIST");
    if (!overwrite && this.#path !== undefined) {
      await call(`copy to ${this.#target}`, "link", link(this.#path, this.#target));
      return;
    }
    if (this.#path === undefined) {
      const path = Temporary.#siblingOf(this.#target);
      if (!this.#link(path)) throw callFailed(`copy to ${this.#target}`, "linkat", "EEXIST");
      this.#path = path;
    }
    await call(`copy to ${this.#target}`, "rename", rename(this.#path, this.#target));
    this.#path = undefined;
  }

  /** False when the name is taken. */
  #link(path: string): boolean {
    const { native } = this.#machine;
    if (typeof native === "string") throw new TypeError("An unnamed temporary needs the engine");
    const answer = native.sluice_publish(this.handle.fd, new TextEncoder().encode(`${path}\0`));
    if (answer === 0) return true;
    if (errnoName(-answer) === "EEXIST") return false;
    throw callFailed(`copy to ${path}`, "linkat", errnoName(-answer));
  }

  async dispose(): Promise<void> {
    await this.handle.close();
    if (this.#path !== undefined) await unlink(this.#path);
  }
}

interface Extent {
  readonly start: number;
  readonly end: number;
}

/** The runs of data of a sparse file. */
function extentsOf(machine: Machine, fd: number, size: number): readonly Extent[] {
  const { native } = machine;
  if (typeof native === "string") return [{ start: 0, end: size }];
  const record = new RecordMemory(extentRecord.size);
  const extents: Extent[] = [];
  for (let at = 0; at < size;) {
    extentRecord.set(record.view, "start", at);
    const answer = native.sluice_next_extent(fd, record.bytes);
    if (answer < 0 && errnoName(-answer) === "ENXIO") break;
    // A filesystem that can't tell holes has none to keep.
    if (answer < 0) return [{ start: 0, end: size }];
    const end = Math.min(extentRecord.get(record.view, "end"), size);
    extents.push({ start: extentRecord.get(record.view, "start"), end });
    at = end;
  }
  return extents;
}

function isSparse(source: Endpoint, sparse: CopyOptions["sparse"]): boolean {
  if (source.size === undefined || sparse === "never") return false;
  return sparse === "always" || (source.allocated ?? source.size) < source.size;
}

function merge(reports: readonly Report[], bytes: number): Report {
  const sum = (pick: (report: Report) => number) => reports.reduce((total, report) => total + pick(report), 0);
  const last = reports.at(-1);
  return {
    bytes,
    strategy: last?.strategy,
    attempts: reports.flatMap(({ attempts }) => attempts),
    copied: reports.some(({ copied }) => copied === "yes") ? "yes" : (last?.copied ?? "no"),
    syscalls: sum(({ syscalls }) => syscalls),
    waits: sum(({ waits }) => waits),
    cpuNs: sum(({ cpuNs }) => cpuNs),
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
  const { signal, onProgress } = options;
  const strategy = strategiesFor[options.reflink ?? "auto"];
  const { size } = source;
  if (size === undefined || !isSparse(source, options.sparse) || options.reflink === "always")
    return transfer(machine, from, to, { targetOffset: 0, strategy, signal, onProgress });
  const reports: Report[] = [];
  for (const { start, end } of extentsOf(machine, from, size)) {
    const range = { offset: start, targetOffset: start, length: end - start };
    const progress = onProgress && ((bytes: number) => onProgress(start + bytes));
    reports.push(await transfer(machine, from, to, { ...range, strategy, signal, onProgress: progress }));
  }
  await call("copy", "ftruncate", to.truncate(size));
  onProgress?.(size);
  return merge(reports, size);
}

async function syncFolder(path: string): Promise<void> {
  const folder = await call(`sync ${path}`, "open", open(path, constants.O_RDONLY | constants.O_DIRECTORY));
  try {
    await call(`sync ${path}`, "fsync", folder.sync());
  } finally {
    await folder.close();
  }
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
  const source = await call(`open ${name}`, "open", open(name, constants.O_RDONLY | constants.O_NONBLOCK));
  let temporary: Temporary | undefined;
  try {
    const found = inspectFd(machine.native, source.fd, name);
    const stats = await source.stat({ bigint: true });
    if (found.kind === "directory") throw callFailed(`copy ${name}`, "open", "EISDIR");
    if (found.kind !== "file")
      throw new TransferError(`Cannot copy ${name}: it is not a regular file; use transfer()`, {
        code: "ERR_SLUICE_UNSUPPORTED",
      });
    const path = await destination(pathOf(to, "to"));
    const old = await existing(path, overwrite);
    if (old !== undefined) await refuseSameFile(machine, found, path);
    const mode = Number(stats.mode) & permissionBits;
    temporary = await Temporary.create(machine, path, mode & 0o777);
    const report = await fill(machine, source.fd, found, temporary.handle, options);
    const times = { atime: seconds(stats.atimeNs), mtime: seconds(stats.mtimeNs) };
    await finish(temporary.handle, { mode, ...times, old }, options);
    await temporary.publish(overwrite);
    if (options.durable) await syncFolder(dirname(path));
    return { ...report, durationNs: Math.round((performance.now() - started) * 1e6) };
  } finally {
    await temporary?.dispose();
    await source.close();
  }
}

async function refuseSameFile(machine: Machine, source: Endpoint, path: string): Promise<void> {
  const handle = await call(`open ${path}`, "open", open(path, constants.O_RDONLY | constants.O_NONBLOCK)).catch(
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

/** A double holds the seconds of our time to a quarter of a microsecond; a Date only to a millisecond. */
const seconds = (nanoseconds: bigint): number => Number(nanoseconds) / 1e9;

interface Finish {
  readonly mode: number;
  /** Seconds, as utimes takes them. */
  readonly atime: number;
  readonly mtime: number;
  /** The file that is replaced: its permissions stay, as when cp writes into it. */
  readonly old: { readonly mode: number } | undefined;
}

async function finish(file: FileHandle, { mode, atime, mtime, old }: Finish, options: CopyOptions): Promise<void> {
  if (options.preserve) {
    await call("copy", "fchmod", file.chmod(mode));
    await call("copy", "futimens", file.utimes(atime, mtime));
  } else if (old !== undefined) await call("copy", "fchmod", file.chmod(old.mode & permissionBits));
  if (options.durable) await call("copy", "fsync", file.sync());
}
