/** Maps files. */
import { closeSync, constants, openSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { argumentError, type Paths, shown, TransferError, withPathsIn } from "../../core/error.ts";
import {
  checkMapOptions,
  type MapMode,
  type MapOptions,
  type MapRequest,
  placeMapping,
  type Placement,
} from "../../core/mapping.ts";
import type { HasFd } from "../api.ts";
import type { MappedFile } from "./mapped-file.ts";
import { checkFd } from "../ends/recognise.ts";
import { Lease } from "../lease/lease.ts";
import { nameOf } from "../ends/open-path.ts";
import { inspectFd } from "../ends/inspect-fd.ts";
import type { Machine } from "../engine/machine.ts";
import { callFailed, explained } from "../support/system-error.ts";
import { CopiedMemory } from "./copied-memory.ts";
import { KernelMemory } from "./kernel-memory.ts";
import { Mapping } from "./mapping.ts";
import type { Memory } from "./memory.ts";

/** What can be mapped: a path or file URL, a descriptor, a FileHandle. */
export type Mappable = string | URL | number | HasFd;

interface Opened {
  readonly fd: number;
  readonly name: string;
  close(): void;
}

/** O_NONBLOCK: a FIFO is there at once, to be refused. */
const quietly = constants.O_NONBLOCK | constants.O_NOCTTY;

function openPath(path: string | URL, mode: MapMode): Opened {
  const name = path instanceof URL ? fileURLToPath(path) : path;
  try {
    const fd = openSync(path, (mode === "shared" ? constants.O_RDWR : constants.O_RDONLY) | quietly);
    return { fd, name, close: () => closeSync(fd) };
  } catch (error) {
    throw explained(error, `open ${name}`, "open");
  }
}

function open(file: Mappable, mode: MapMode): Opened {
  if (typeof file === "string" || file instanceof URL) return openPath(file, mode);
  const fd = typeof file === "object" && file !== null && "fd" in file ? file.fd : file;
  if (typeof fd !== "number")
    throw argumentError(
      "ERR_INVALID_ARG_TYPE",
      `file must be a path, URL, file descriptor or FileHandle, got ${shown(file)}`,
    );
  checkFd(fd);
  return { fd, name: `fd ${fd}`, close: () => undefined };
}

function unsupported(name: string, why: string): TransferError {
  return new TransferError(`Cannot map ${name}: ${why}`, { code: "ERR_SLUICE_UNSUPPORTED" });
}

/** The size of a regular file. Throws for all that can't be mapped. */
function sizeOf({ native }: Machine, { fd, name }: Opened, { mode }: MapRequest): number {
  const end = inspectFd(native, fd, name);
  if (end.kind === "directory") throw callFailed(`map ${name}`, "mmap", "EISDIR");
  if (end.kind !== "file" || end.size === undefined) throw unsupported(name, `it is no regular file with a size`);
  // What mmap(2) says of them; an empty file has to be refused as well.
  if (!end.readable || (mode === "shared" && !end.writable)) throw callFailed(`map ${name}`, "mmap", "EACCES");
  return end.size;
}

function memoryFor(machine: Machine, { fd, name }: Opened, request: MapRequest, placement: Placement): Memory {
  // mmap(2) maps no empty ranges.
  if (request.policy === "copy" || placement.length === 0)
    return new CopiedMemory(fd, name, request.offset, placement.length);
  const { native, engine, runtime } = machine;
  if (engine === undefined) throw unsupported(name, `policy "${request.policy}" takes the engine: ${String(native)}`);
  return new KernelMemory(runtime, engine, fd, name, request.mode, placement);
}

/** See `map` in public/sluice.ts. `path`: whose file it is, where that is given by its descriptor. */
export function map(machine: Machine, file: Mappable, options?: MapOptions, path?: string): MappedFile {
  const request = checkMapOptions(options);
  const paths = { path: path ?? (typeof file === "string" || file instanceof URL ? nameOf(file) : undefined) };
  return withPathsIn(paths, () => mapFile(machine, file, request, paths));
}

function mapFile(machine: Machine, file: Mappable, request: MapRequest, paths: Paths): MappedFile {
  const opened = open(file, request.mode);
  try {
    // Before the size is looked at: it stays what it is from then on.
    const lease = request.policy === "lease" ? Lease.take(machine, opened.fd, opened.name, "read") : undefined;
    try {
      const placement = placeMapping(request, sizeOf(machine, opened, request));
      return new Mapping(opened.name, paths, request, memoryFor(machine, opened, request, placement), lease);
    } catch (error) {
      lease?.release();
      throw error;
    }
  } finally {
    opened.close();
  }
}
