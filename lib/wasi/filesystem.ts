/** wasi:filesystem on this thread: the folders that a guest is lent, and nothing else. */
import type { CheckedLimits } from "./budget.ts";
import { answer, Descriptor, DirectoryEntryStream, type Household } from "./descriptor.ts";
import type { OpenAt } from "../confine/open-at.ts";
import type { Roots } from "./options.ts";
import { lendRoots } from "./roots.ts";

/** Keeps what is open, closes it at the end, and sets the bounds. */
class Census implements Household {
  readonly #open = new Set<object>();
  readonly #limits: CheckedLimits;
  #left: number;

  constructor(limits: CheckedLimits) {
    this.#limits = limits;
    this.#left = limits.bytes;
  }

  spend(bytes: number): number {
    const most = Math.min(bytes, this.#left);
    if (most === 0 && bytes > 0) throw answer("quota");
    this.#left -= most;
    return most;
  }

  refund(bytes: number): void {
    this.#left += bytes;
  }

  checkFile(size: number): void {
    if (size > this.#limits.fileBytes) throw answer("file-too-large");
  }

  admit(descriptor: Descriptor): void {
    if (this.#open.size >= this.#limits.openHandles) {
      // It is closed by the one who has just made it.
      this.#open.add(descriptor);
      descriptor[Symbol.dispose]();
      throw answer("insufficient-memory");
    }
    this.#open.add(descriptor);
  }

  dismiss(descriptor: object): void {
    this.#open.delete(descriptor);
  }

  closeAll(): void {
    for (const descriptor of this.#open as Set<Descriptor>) descriptor[Symbol.dispose]();
  }
}

export interface Filesystem {
  /** The interfaces, by their names, for the import object of a component that jco has transpiled. */
  readonly imports: Readonly<Record<string, unknown>>;
  /** Closes what guests have left open, and the folders. */
  close(): void;
}

export function createFilesystem(openAt: OpenAt, roots: Roots, limits: CheckedLimits): Filesystem {
  const lent = lendRoots(openAt, roots);
  const census = new Census(limits);
  const preopens = {
    /** Each time with descriptors of their own: the guest closes them. */
    getDirectories: (): [Descriptor, string][] =>
      lent.map(({ name, folder, write }) => [
        new Descriptor({ folder: folder.folder(".") }, { read: true, write }, census),
        name,
      ]),
  };
  const types = { Descriptor, DirectoryEntryStream, filesystemErrorCode: () => undefined };
  return {
    imports: { "wasi:filesystem/preopens": preopens, "wasi:filesystem/types": types },
    close() {
      census.closeAll();
      for (const { folder } of lent) folder.close();
    },
  };
}
