/**
 * A file that takes the place of another as a whole: whoever opens the path finds the old file or the complete new one,
 * whatever happens meanwhile.
 *
 * The bytes go into a temporary in the target's folder, unnamed (O_TMPFILE, Linux 3.11) where the filesystem can, so that
 * kill -9 leaves nothing behind; it gets its name when complete. Only an old file can't be replaced in one call: the
 * complete copy then has a name of its own between link and rename.
 */
import type { BigIntStats } from "node:fs";
import { type FileHandle, lstat } from "node:fs/promises";
import type { Machine } from "../engine/machine.ts";
import { explained, fsCall } from "../support/system-error.ts";
import { inherit, preserveMode } from "./inherit.ts";
import { checkOccupant, checkReplaceable, checkSticky } from "./occupant.ts";
import { Place, statusAt } from "./place.ts";
import { Temporary } from "./temporary.ts";
import { setTimes } from "./times.ts";

export interface WholeFileOptions {
  /** Whether an existing file is replaced. When false: `EEXIST`. */
  readonly overwrite: boolean;
  /** fsync the file and its folder when it is published. */
  readonly durable: boolean;
  /** The mode of a new file, less the umask. Default 0666. One that replaces another gets that one's. */
  readonly mode?: number;
  /** The file that is copied, which the old one must not be. */
  readonly source?: BigIntStats;
  /** Whether it gets the source's mode and times. */
  readonly preserve?: boolean;
}

export class WholeFile {
  readonly #machine: Machine;
  readonly #place: Place;
  readonly #temporary: Temporary;
  /** What had the name when it was made. */
  readonly #old: BigIntStats | undefined;
  readonly #options: WholeFileOptions;

  private constructor(
    machine: Machine,
    place: Place,
    temporary: Temporary,
    old: BigIntStats | undefined,
    options: WholeFileOptions,
  ) {
    this.#machine = machine;
    this.#place = place;
    this.#temporary = temporary;
    this.#old = old;
    this.#options = options;
  }

  /**
   * Makes an empty file in the folder of what the path leads to; a link stays one. Whatever is known to forbid the
   * publishing is told now.
   */
  static async create(machine: Machine, named: string, options: WholeFileOptions): Promise<WholeFile> {
    const { mode = 0o666 } = options;
    const { place, old } = await WholeFile.find(machine, named, options);
    try {
      // Nobody may read the new content meanwhile who may not read the old.
      const temporary = await Temporary.create(machine, place, old === undefined ? mode : 0o600);
      const file = new WholeFile(machine, place, temporary, old, options);
      if (old !== undefined) await file.#checkSticky(old);
      return file;
    } catch (error) {
      await place.close();
      throw error;
    }
  }

  /** Where it goes, and what is there and may be replaced as far as that is known without a new file. */
  static async find(
    machine: Machine,
    named: string,
    { overwrite, source }: Pick<WholeFileOptions, "overwrite" | "source">,
  ): Promise<{ readonly place: Place; readonly old: BigIntStats | undefined }> {
    // O_EXCL does not follow links either: one that leads nowhere is there all the same.
    if (!overwrite) checkOccupant(named, await statusOf(named), { overwrite });
    const place = await Place.find(named);
    try {
      const old = await place.status();
      checkOccupant(named, old, { overwrite });
      if (old !== undefined) checkReplaceable(machine, place, old, source);
      return { place, old };
    } catch (error) {
      await place.close();
      throw error;
    }
  }

  async #checkSticky(old: BigIntStats): Promise<void> {
    try {
      await checkSticky(this.#place, old, (await this.handle.stat({ bigint: true })).uid);
    } catch (error) {
      await this.#temporary.dispose();
      throw error;
    }
  }

  get handle(): FileHandle {
    return this.#temporary.handle;
  }

  /** Gives the file its name, in one step. */
  async publish(): Promise<void> {
    const { overwrite, durable, preserve } = this.#options;
    const source = preserve ? this.#options.source : undefined;
    // Others may have replaced it since.
    const old = (await this.#place.status()) ?? this.#old;
    checkOccupant(this.#place.path, old, this.#options);
    if (old !== undefined) await inherit(this.#machine, this.#place, old, this.handle, source);
    else if (source !== undefined) await preserveMode(this.handle, source);
    if (source !== undefined) await setTimes(this.#machine, source, this.handle);
    if (durable) await fsCall(`write ${this.#place.path}`, "fsync", this.handle.sync());
    await this.#temporary.publish(overwrite);
    if (durable) await this.#place.sync();
  }

  /** Closes it; one that was not published is gone. */
  async dispose(): Promise<void> {
    try {
      await this.#temporary.dispose();
    } finally {
      await this.#place.close();
    }
  }
}

/** What has a name, be it a link. */
function statusOf(path: string): Promise<BigIntStats | undefined> {
  return statusAt(path, lstat).catch((error: unknown) => {
    throw explained(error, `open ${path}`, "lstat");
  });
}
