/** The file that a copy is made in, until it is complete. */
import { constants } from "node:fs";
import { type FileHandle, link, open, rename, unlink } from "node:fs/promises";
import type { Native } from "../../core/abi/abi.ts";
import { errnoName } from "../../core/abi/errno.ts";
import type { Machine } from "../engine/machine.ts";
import { callFailed, codeOf, explained, fsCall } from "../support/system-error.ts";
import type { Place } from "./place.ts";

/** In linux/fcntl.h, but not in node:fs. The value includes O_DIRECTORY, as the kernel wants it. */
const O_TMPFILE = 0o20200000;

/** What a filesystem or a kernel without O_TMPFILE answers (open(2)); runtimes have two names for the first. */
const noUnnamedFiles = ["EOPNOTSUPP", "ENOTSUP", "EISDIR", "EINVAL"];

/** Filesystems that have no renameat2(2), or no flags of it, may have links. */
const noNewName = ["EINVAL", "ENOSYS", "EPERM", "EOPNOTSUPP"];

/** How much of the target's name shows in the temporary's. NAME_MAX is 255 bytes, on encrypting filesystems 143. */
const shownBytes = 32;

const terminated = (path: string): Uint8Array => new TextEncoder().encode(`${path}\0`);

/** A name of its own, short whatever the name that it is made for, and cut between characters. */
export function temporaryName(name: string): string {
  const { read } = new TextEncoder().encodeInto(name, new Uint8Array(shownBytes));
  return `.${name.slice(0, read)}.${crypto.randomUUID()}.sluice`;
}

/** A file without a name; undefined where the filesystem has none. */
async function openUnnamed(folder: string, name: string, mode: number): Promise<FileHandle | undefined> {
  try {
    return await open(folder, O_TMPFILE | constants.O_RDWR, mode);
  } catch (error) {
    if (noUnnamedFiles.includes(codeOf(error) ?? "")) return undefined;
    throw explained(error, `create ${name}`, "open");
  }
}

/** A file that goes when it is closed. It may have a name for a moment. */
export async function openScratch(folder: string, name: string): Promise<FileHandle> {
  const unnamed = await openUnnamed(folder, name, 0o600);
  if (unnamed !== undefined) return unnamed;
  const path = `${folder}/${temporaryName(name)}`;
  const handle = await fsCall(`create ${path}`, "open", open(path, "wx+", 0o600));
  await fsCall(`create ${path}`, "unlink", unlink(path));
  return handle;
}

/**
 * Whether an unnamed file can get a name: not without /proc, nor under filters that refuse linkat(2). "." is taken in every
 * folder, which the kernel says once it has found the file.
 */
function canBePublished(native: Native, { fd }: FileHandle, place: Place): boolean {
  return errnoName(-native.sluice_publish(fd, terminated(place.beside(".")))) === "EEXIST";
}

export class Temporary {
  readonly handle: FileHandle;
  /** Undefined while it has no name. */
  #path: string | undefined;
  readonly #place: Place;
  readonly #machine: Machine;

  private constructor(machine: Machine, handle: FileHandle, place: Place, path: string | undefined) {
    this.#machine = machine;
    this.handle = handle;
    this.#place = place;
    this.#path = path;
  }

  /** Makes one in the place's folder. */
  static async create(machine: Machine, place: Place, mode: number): Promise<Temporary> {
    const { native } = machine;
    const unnamed = typeof native === "string" ? undefined : await openUnnamed(place.folder, place.path, mode);
    if (unnamed !== undefined && typeof native !== "string") {
      if (canBePublished(native, unnamed, place)) return new Temporary(machine, unnamed, place, undefined);
      await unnamed.close();
    }
    const path = place.beside(temporaryName(place.name));
    const handle = await fsCall(`create ${place.path}`, "open", open(path, "wx+", mode));
    return new Temporary(machine, handle, place, path);
  }

  get #what(): string {
    return `copy to ${this.#place.path}`;
  }

  /** Gives the file its name, in one step that either happens or doesn't. */
  async publish(overwrite: boolean): Promise<void> {
    const { entry, name } = this.#place;
    if (this.#path === undefined && this.#link(entry)) return;
    if (!overwrite) return this.#takeNewName(entry);
    if (this.#path === undefined) {
      const path = this.#place.beside(temporaryName(name));
      if (!this.#link(path)) throw callFailed(this.#what, "linkat", "EEXIST");
      this.#path = path;
    }
    await fsCall(this.#what, "rename", rename(this.#path, entry));
    this.#path = undefined;
  }

  /** False when the name is taken. */
  #link(path: string): boolean {
    const { native } = this.#machine;
    if (typeof native === "string") throw new TypeError("An unnamed temporary needs the engine");
    const answer = native.sluice_publish(this.handle.fd, terminated(path));
    if (answer === 0) return true;
    if (errnoName(-answer) === "EEXIST") return false;
    throw callFailed(this.#what, "linkat", errnoName(-answer));
  }

  /** A rename that replaces nothing; a link where the filesystem has no such thing. */
  async #takeNewName(entry: string): Promise<void> {
    const { native } = this.#machine;
    if (this.#path === undefined) throw callFailed(this.#what, "linkat", "EEXIST");
    const answer =
      typeof native === "string" ? undefined : native.sluice_rename_new(terminated(this.#path), terminated(entry));
    if (answer === 0) {
      this.#path = undefined;
      return;
    }
    const code = answer === undefined ? undefined : errnoName(-answer);
    if (code !== undefined && !noNewName.includes(code)) throw callFailed(this.#what, "renameat2", code);
    await fsCall(this.#what, "link", link(this.#path, entry));
  }

  async dispose(): Promise<void> {
    await this.handle.close();
    if (this.#path !== undefined) await unlink(this.#path);
  }
}
