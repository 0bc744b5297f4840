/** The file that a copy is made in, until it is complete. */
import { constants } from "node:fs";
import { type FileHandle, link, open, rename, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { errnoName } from "../../../core/errno.ts";
import type { Machine } from "../machine.ts";
import { fsCall, callFailed, codeOf, explained } from "../system-error.ts";

/** In linux/fcntl.h, but not in node:fs. The value includes O_DIRECTORY, as the kernel wants it. */
const O_TMPFILE = 0o20200000;

/** What a filesystem or a kernel without O_TMPFILE answers (open(2)); runtimes have two names for the first. */
const noUnnamedFiles = ["EOPNOTSUPP", "ENOTSUP", "EISDIR", "EINVAL"];

/** The file under construction. */
export class Temporary {
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
    return join(dirname(target), `.${basename(target)}.${crypto.randomUUID()}.sluice`);
  }

  static async create(machine: Machine, target: string, mode: number): Promise<Temporary> {
    if (typeof machine.native !== "string") {
      try {
        const handle = await open(dirname(target), O_TMPFILE | constants.O_RDWR, mode);
        return new Temporary(machine, handle, target, undefined);
      } catch (error) {
        if (!noUnnamedFiles.includes(codeOf(error) ?? "")) throw explained(error, `create ${target}`, "open");
      }
    }
    const path = Temporary.#siblingOf(target);
    const handle = await fsCall(`create ${target}`, "open", open(path, "wx+", mode));
    return new Temporary(machine, handle, target, path);
  }

  /** Gives the file its name, in one step that either happens or doesn't. */
  async publish(overwrite: boolean): Promise<void> {
    if (this.#path === undefined && this.#link(this.#target)) return;
    if (!overwrite && this.#path === undefined) throw callFailed(`copy to ${this.#target}`, "link", "EEXIST");
    if (!overwrite && this.#path !== undefined) {
      await fsCall(`copy to ${this.#target}`, "link", link(this.#path, this.#target));
      return;
    }
    if (this.#path === undefined) {
      const path = Temporary.#siblingOf(this.#target);
      if (!this.#link(path)) throw callFailed(`copy to ${this.#target}`, "linkat", "EEXIST");
      this.#path = path;
    }
    await fsCall(`copy to ${this.#target}`, "rename", rename(this.#path, this.#target));
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
