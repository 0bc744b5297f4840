/** wasi:filesystem on this thread: the folders that a guest is lent, and nothing else. */
import type { WasiCode } from "../../core/wasi/codes.ts";
import type { OpenAt } from "../confine/open-at.ts";
import { Answer } from "./answer.ts";
import { Budget, type CheckedLimits } from "./budget.ts";
import { Descriptor, DirectoryEntryStream } from "./descriptor.ts";
import type { Limits, Roots } from "./options.ts";
import { lendRoots } from "./roots.ts";

/** WASI has codes for files alone: what exceeds a limit is told by the nearest of those. */
const exceeded: Readonly<Record<keyof Limits, WasiCode>> = {
  openHandles: "insufficient-memory",
  bytes: "quota",
  fileBytes: "file-too-large",
};

export interface Filesystem {
  /** The interfaces, by their names, for the import object of a component that jco has transpiled. */
  readonly imports: Readonly<Record<string, unknown>>;
  /** Closes what guests have left open, and the folders. */
  close(): void;
}

export function createFilesystem(openAt: OpenAt, roots: Roots, limits: CheckedLimits): Filesystem {
  const lent = lendRoots(openAt, roots);
  const budget = new Budget(limits, (limit) => new Answer(exceeded[limit]));
  const preopens = {
    /** Each time with descriptors of their own: the guest closes them. */
    getDirectories: (): [Descriptor, string][] =>
      lent.map(({ name, folder, write }) => [
        new Descriptor({ folder: folder.folder(".") }, { read: true, write }, budget),
        name,
      ]),
  };
  const types = { Descriptor, DirectoryEntryStream, filesystemErrorCode: () => undefined };
  return {
    imports: { "wasi:filesystem/preopens": preopens, "wasi:filesystem/types": types },
    close() {
      budget.closeAll();
      for (const { folder } of lent) folder.close();
    },
  };
}
