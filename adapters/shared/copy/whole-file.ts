/**
 * A file that takes the place of another as a whole: whoever opens the path finds the old file or the complete new one,
 * whatever happens meanwhile.
 */
import type { FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import type { Machine } from "../machine.ts";
import { fsCall } from "../system-error.ts";
import { destination, existing, syncFolder } from "./destination.ts";
import { Temporary } from "./temporary.ts";

export interface WholeFileOptions {
  /** Whether an existing file is replaced. When false: `EEXIST`. */
  readonly overwrite: boolean;
  /** fsync the file and its folder when it is published. */
  readonly durable: boolean;
}

export class WholeFile {
  readonly #temporary: Temporary;
  readonly #path: string;
  readonly #mode: number | undefined;
  readonly #options: WholeFileOptions;

  private constructor(temporary: Temporary, path: string, mode: number | undefined, options: WholeFileOptions) {
    this.#temporary = temporary;
    this.#path = path;
    this.#mode = mode;
    this.#options = options;
  }

  /** Makes an empty file in the folder of what the path leads to. A file that is there keeps its mode, a link stays one. */
  static async create(machine: Machine, named: string, options: WholeFileOptions): Promise<WholeFile> {
    // O_EXCL does not follow links either: one that leads nowhere is there all the same.
    if (!options.overwrite) await existing(named, false);
    const path = await destination(named);
    const old = await existing(path, options.overwrite);
    // Nobody may read the new content meanwhile who may not read the old.
    const temporary = await Temporary.create(machine, path, old === undefined ? 0o666 : old.mode & 0o600);
    return new WholeFile(temporary, path, old?.mode, options);
  }

  get handle(): FileHandle {
    return this.#temporary.handle;
  }

  /** Gives the file its name, in one step. */
  async publish(): Promise<void> {
    const { overwrite, durable } = this.#options;
    if (this.#mode !== undefined) await fsCall(`write ${this.#path}`, "fchmod", this.handle.chmod(this.#mode & 0o7777));
    if (durable) await fsCall(`write ${this.#path}`, "fsync", this.handle.sync());
    await this.#temporary.publish(overwrite);
    if (durable) await syncFolder(dirname(this.#path));
  }

  /** Closes it; one that was not published is gone. */
  dispose(): Promise<void> {
    return this.#temporary.dispose();
  }
}
