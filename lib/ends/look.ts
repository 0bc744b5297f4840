/**
 * What a path leads to, as a transfer would find it, without opening it: an open wakes whoever waits at a FIFO, starts
 * devices, breaks leases, is told to those who watch the file, and its close drops the process's locks (fcntl(2)).
 * An O_PATH descriptor does none of that.
 */
import { access, constants, open, type PathLike } from "node:fs";
import { stat, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname } from "node:path";
import { promisify } from "node:util";
import type { Native } from "../../core/abi/abi.ts";
import { asNew, type Endpoint, endpoint, isVirtual } from "../../core/plan/endpoint.ts";
import { errnoName } from "../../core/abi/errno.ts";
import { checkSticky } from "../copy/occupant.ts";
import { O_PATH, Place } from "../copy/place.ts";
import { WholeFile } from "../copy/whole-file.ts";
import { describeStats, inspectFd } from "./inspect.ts";
import type { Machine } from "../engine/machine.ts";
import { closeFd, nameOf, openSource } from "./open.ts";
import { callFailed, codeOf, explained } from "../support/system-error.ts";

const openAsync = promisify(open);
const accessAsync = promisify(access);

/** What is there, and the errno's name where it may not be used in the way that was asked about. */
interface Look {
  readonly end: Endpoint;
  readonly refused: string | undefined;
}

/** A runtime that would ask a terminal first isn't asked. */
const asksOf = ({ runtime }: Machine): boolean => runtime.guardsSystem !== true;

/** @param asks whether the runtime is asked for what only the engine else knows */
async function lookAt(native: Native | string, path: PathLike, mode: number, asks: boolean): Promise<Look> {
  const name = nameOf(path);
  if (typeof native === "string") {
    const end = describeStats(await stat(path, { bigint: true }), name, native);
    if (!asks) return { end, refused: undefined };
    const { type } = await statfs(path);
    const denied = await accessAsync(path, mode).catch((error: unknown) => codeOf(error) ?? "EACCES");
    return { end: { ...end, filesystem: type }, refused: denied ?? undefined };
  }
  const fd = await openAsync(path, O_PATH);
  try {
    const answer = native.sluice_access(fd, mode);
    return { end: inspectFd(native, fd, name), refused: answer < 0 ? errnoName(-answer) : undefined };
  } finally {
    await closeFd(fd);
  }
}

/** What open(2) answers whatever the rights: nothing opens the name of a socket, and nobody writes a folder. */
function unopenable({ kind }: Endpoint, mode: number): string | undefined {
  if (kind === "directory" && mode === constants.W_OK) return "EISDIR";
  return kind === "socket" ? "ENXIO" : undefined;
}

/** The same, with the errors of open(2). */
async function lookToOpen(machine: Machine, path: PathLike, mode: number): Promise<Endpoint> {
  const name = nameOf(path);
  const { end, refused } = await lookAt(machine.native, path, mode, asksOf(machine)).catch((error: unknown) => {
    throw explained(error, `open ${name}`, "open");
  });
  const code = unopenable(end, mode) ?? refused;
  if (code !== undefined) throw callFailed(`open ${name}`, "open", code);
  return { ...end, name };
}

/** As transfers open their paths. */
const opened = { append: false, nonblocking: true } as const;

/** What a path is as a source. */
export async function lookAtSource(machine: Machine, path: string | URL): Promise<Endpoint> {
  const end = await lookToOpen(machine, path, constants.R_OK);
  if (end.kind !== "blockDevice") return { ...end, ...opened, readable: true, writable: false };
  // Its size is not to be had from outside.
  const { fd, name } = await openSource(path);
  try {
    return inspectFd(machine.native, fd, name);
  } finally {
    await closeFd(fd);
  }
}

/** What a path is as a target. */
export async function lookAtTarget(machine: Machine, path: string | URL): Promise<Endpoint> {
  try {
    return { ...(await lookToOpen(machine, path, constants.W_OK)), ...opened, readable: false, writable: true };
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
  }
  const place = await Place.find(nameOf(path));
  try {
    return await newTargetAt(machine.native, place, asksOf(machine));
  } finally {
    await place.close();
  }
}

/** A target that is not there yet is taken for an empty file in its folder. */
export async function newTargetAt(native: Native | string, { folder, path }: Place, asks = false): Promise<Endpoint> {
  return { ...(await newFileIn(native, folder, path, asks)), readable: false };
}

/** A file that would be made beside what a path leads to, to take its place. */
export async function lookAtWholeFile(machine: Machine, path: string): Promise<Endpoint> {
  const { place, old } = await WholeFile.find(machine, path, { overwrite: true });
  try {
    const file = await newFileIn(machine.native, place.folder, path, asksOf(machine));
    const user = asksOf(machine) ? process.geteuid?.() : undefined;
    if (old !== undefined && user !== undefined) await checkSticky(place, old, BigInt(user));
    return { ...file, nonblocking: false };
  } finally {
    await place.close();
  }
}

const procfs = 0x9fa0;

/** EFI variables are the only files among these that are made by open(2). */
const efivarfs = 0xde5e81e4;

/** What open(2) answers where nobody can make files. procfs doesn't even find the name. */
function unmakable(folder: Endpoint): string | undefined {
  if (!isVirtual(folder) || folder.filesystem === efivarfs) return undefined;
  return folder.filesystem === procfs ? "ENOENT" : "EACCES";
}

/**
 * A file that would be made in a folder. Without the engine its rights are left to the open: a runtime's permissions may be to write
 * one file and not its folder.
 *
 * @throws TransferError with what open(2) would answer
 */
async function newFileIn(native: Native | string, folder: string, name: string, asks: boolean): Promise<Endpoint> {
  const { end, refused } = await lookAt(native, folder, constants.W_OK | constants.X_OK, asks).catch(
    (error: unknown) => {
      throw explained(error, `open ${name}`, "open");
    },
  );
  const { identity, filesystem, fd, withoutFd } = end;
  const denied = typeof native === "string" ? undefined : refused;
  const code = end.kind === "directory" ? (unmakable(end) ?? denied) : "ENOTDIR";
  if (code !== undefined) throw callFailed(`open ${name}`, "open", code);
  const without = withoutFd === undefined ? {} : { withoutFd };
  return asNew(endpoint({ kind: "file", name, size: 0, allocated: 0, filesystem, fd, identity, ...without }));
}

/** The copy that "snapshot" would send instead of a file: see `copy/snapshot.ts` for where it lies. */
export async function lookAtSnapshot(
  machine: Machine,
  original: Endpoint,
  path: string | undefined,
): Promise<Endpoint> {
  const make = (folder: string) => newFileIn(machine.native, folder, original.name, asksOf(machine));
  const near = path === undefined ? undefined : await make(dirname(path)).catch(() => undefined);
  const copy = near ?? (await make(tmpdir()));
  return { ...copy, size: original.size, allocated: original.allocated };
}
