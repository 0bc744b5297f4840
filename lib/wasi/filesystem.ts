/** wasi:filesystem on this thread: the folders that a guest is lent, and nothing else. */
import { argumentError, shown } from "../../core/error.ts";
import { checkKnown } from "../../core/options.ts";
import type { CheckedLimits } from "./budget.ts";
import { answer, Descriptor, DirectoryEntryStream, type Household } from "./descriptor.ts";
import { Folder } from "./folder.ts";
import type { OpenAt } from "./open-at.ts";
import type { Root, Roots } from "./options.ts";

/** A folder that guests are lent. */
export interface Lent {
  readonly name: string;
  readonly folder: Folder;
  readonly write: boolean;
}

/** Opens the folders of all roots, or none. @throws the system's error for a folder that can't be opened; TypeError */
export function lendRoots(openAt: OpenAt, roots: Roots): readonly Lent[] {
  const lent: Lent[] = [];
  try {
    for (const [name, root] of Object.entries(roots)) {
      const { path, write = false } = checkRoot(name, root);
      lent.push({ name, folder: Folder.lend(openAt, path), write });
    }
  } catch (error) {
    for (const { folder } of lent) folder.close();
    throw error;
  }
  return lent;
}

function checkRoot(name: string, root: Root): Root {
  if (!/^(\/|\.$)/.test(name) || (name.length > 1 && name.endsWith("/")))
    throw argumentError("ERR_INVALID_ARG_VALUE", `a root must be named like "/data", got ${shown(name)}`);
  if (typeof root !== "object" || root === null || typeof root.path !== "string")
    throw argumentError("ERR_INVALID_ARG_TYPE", `root ${name} must be an object with the path of a folder`);
  checkKnown(root, { path: true, write: true });
  if (root.write !== undefined && typeof root.write !== "boolean")
    throw argumentError("ERR_INVALID_ARG_TYPE", `write of root ${name} must be a boolean, got ${typeof root.write}`);
  return root;
}

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
