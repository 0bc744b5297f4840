/**
 * A name in a folder that is held open. The kernel resolves folders, never we: what a path leads to is found link by link,
 * each from the folder that the kernel has found for the one before, and stays there whatever becomes of the path.
 */
import { type BigIntStats, constants } from "node:fs";
import { type FileHandle, lstat, open, readlink, stat } from "node:fs/promises";
import { TransferError } from "../../core/error.ts";
import { callFailed, codeOf, explained, fsCall } from "../support/system-error.ts";

/** In linux/fcntl.h, but not in node:fs: a descriptor for its place alone, which needs no right to read it. */
export const O_PATH = 0o10000000;

/** As many links as the kernel follows (path_resolution(7)). */
const mostLinks = 40;

/** How often a name is looked up again that others replace meanwhile. */
const mostTries = 20;

/** The errnos of a folder that isn't there. Whatever else keeps it from being held, its path may still be of use. */
const missing = new Set(["ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG"]);

/** undefined where nothing is; other errors are the caller's. */
export async function statusAt(
  path: string,
  look: (path: string, options: { bigint: true }) => Promise<BigIntStats>,
): Promise<BigIntStats | undefined> {
  try {
    return await look(path, { bigint: true });
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

const isSame = (a: BigIntStats | undefined, b: BigIntStats | undefined): boolean =>
  a?.dev === b?.dev && a?.ino === b?.ino;

/** The folder of a path, as text for the kernel, and the name in it. */
function split(path: string): readonly [folder: string, name: string] {
  const cut = path.lastIndexOf("/") + 1;
  return [path.slice(0, cut) || ".", path.slice(cut)];
}

/** Whether a folder was ever found by its descriptor. */
let hasProc = false;

/** Whether a held folder can be reached by its descriptor: not without /proc, nor where the runtime keeps others out of it. */
async function isReachable(folder: FileHandle, base: string): Promise<boolean> {
  if (process.permission?.has("fs.write", base) === false) return false;
  if (hasProc) return true;
  const found = await stat(base, { bigint: true }).catch(() => undefined);
  return (hasProc = found !== undefined && isSame(found, await folder.stat({ bigint: true })));
}

export class Place {
  /** The path as it was given. */
  readonly path: string;
  readonly name: string;
  readonly #folder: FileHandle | undefined;
  /** The way to the folder. */
  readonly #base: string;

  readonly #isHeld: boolean;

  private constructor(path: string, name: string, folder: FileHandle | undefined, base: string, isHeld: boolean) {
    this.path = path;
    this.#isHeld = isHeld;
    this.name = name;
    this.#folder = folder;
    this.#base = base;
  }

  /**
   * What a path leads to, through symbolic links also where they lead nowhere yet.
   *
   * @throws TransferError with the errno of the folder; `EISDIR` for a path that ends with a slash
   */
  static async find(path: string): Promise<Place> {
    for (let tries = 1; ; tries++) {
      const { place, links } = await Place.#follow(path);
      try {
        if (links === 0 || isSame(await statusAt(place.entry, lstat), await statusAt(path, stat))) return place;
      } catch (error) {
        await place.close();
        throw explained(error, `open ${path}`, "stat");
      }
      await place.close();
      if (tries < mostTries) continue;
      // A link of /proc leads to an open file, whose name its text may or may not be.
      throw new TransferError(`Cannot write ${path}: it leads to a file whose name can't be told`, {
        code: "ERR_SLUICE_UNSUPPORTED",
      });
    }
  }

  static async #follow(path: string): Promise<{ readonly place: Place; readonly links: number }> {
    let place = await Place.#at(path, path);
    for (let links = 0; links <= mostLinks; links++) {
      try {
        const next = await readlink(place.entry).catch((error: unknown) => {
          // EINVAL: it is no link. ENOENT: it is not there yet.
          if (codeOf(error) === "EINVAL" || codeOf(error) === "ENOENT") return undefined;
          throw explained(error, `open ${path}`, "readlink");
        });
        if (next === undefined) return { place, links };
        const before = place;
        place = await Place.#at(path, next.startsWith("/") ? next : before.beside(next));
        await before.close();
      } catch (error) {
        await place.close();
        throw error;
      }
    }
    await place.close();
    throw callFailed(`open ${path}`, "open", "ELOOP");
  }

  static async #at(path: string, at: string): Promise<Place> {
    if (at === "") throw callFailed(`open ${path}`, "open", "ENOENT");
    const [folder, name] = split(at);
    let held: FileHandle | undefined;
    try {
      held = await open(folder, O_PATH | constants.O_DIRECTORY);
    } catch (error) {
      const code = codeOf(error) ?? "";
      if (missing.has(code))
        throw callFailed(`open ${path}`, "open", name === "" && code === "ENOENT" ? "EISDIR" : code);
    }
    const base = `/proc/self/fd/${held?.fd}`;
    const reachable = held !== undefined && (await isReachable(held, base));
    const place = new Place(path, name, held, reachable ? base : folder, reachable);
    if (name !== "") return place;
    await place.close();
    throw callFailed(`open ${path}`, "open", "EISDIR");
  }

  /** Whether it is by the open folder that the name is reached. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** The folder, for calls that take a path. */
  get folder(): string {
    return this.#base;
  }

  /** The name itself, for calls that take a path and follow no link. */
  get entry(): string {
    return this.beside(this.name);
  }

  /** Another name in the same folder, or a path from there. */
  beside(name: string): string {
    return this.#base.endsWith("/") ? `${this.#base}${name}` : `${this.#base}/${name}`;
  }

  /** What has the name now: a link itself. */
  status(): Promise<BigIntStats | undefined> {
    return statusAt(this.entry, lstat).catch((error: unknown) => {
      throw explained(error, `open ${this.path}`, "lstat");
    });
  }

  /** Makes sure that the folder's names are on the disk. */
  async sync(): Promise<void> {
    const folder = await fsCall(
      `sync ${this.path}`,
      "open",
      open(this.#base, constants.O_RDONLY | constants.O_DIRECTORY),
    );
    try {
      await fsCall(`sync ${this.path}`, "fsync", folder.sync());
    } finally {
      await folder.close();
    }
  }

  /** Lets go of the folder. The second time does nothing. */
  async close(): Promise<void> {
    if (this.#folder !== undefined && this.#folder.fd >= 0) await this.#folder.close();
  }
}
