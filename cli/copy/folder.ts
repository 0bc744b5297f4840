/** A folder that is held open: what is done to a name in it is done there, whatever becomes of the path that led to it. */
import { constants } from "node:fs";
import { type FileHandle, open, readdir } from "node:fs/promises";
import type { Name } from "./tally.ts";

export class HeldFolder {
  readonly handle: FileHandle;
  readonly #shown: string;

  private constructor(handle: FileHandle, shown: string) {
    this.handle = handle;
    this.#shown = shown;
  }

  /** Opens a folder, and no link to one: that is ENOTDIR. */
  static async open({ path, shown }: Name): Promise<HeldFolder> {
    const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
    return new HeldFolder(await open(path, flags), shown);
  }

  get #path(): string {
    return `/proc/self/fd/${this.handle.fd}`;
  }

  at(name: string): Name {
    return { path: `${this.#path}/${name}`, shown: `${this.#shown}${this.#shown.endsWith("/") ? "" : "/"}${name}` };
  }

  async names(): Promise<string[]> {
    return (await readdir(`${this.#path}/.`)).sort();
  }

  close(): Promise<void> {
    return this.handle.close();
  }
}
