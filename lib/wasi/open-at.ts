/** Opening a path beneath an open folder, and nothing else: by openat2(2), else component by component. */
import type { Native } from "../../core/abi/abi.ts";
import { errnoName } from "../../core/abi/errno.ts";
import { systemError } from "./folder.ts";
import { openWalking } from "./walk.ts";

/**
 * Opens by bits of `openFlags`: a descriptor that node:fs can use, which never waits for a FIFO's peer.
 *
 * @throws an error with the errno as its code; `EPERM` for what would lead out of the folder
 */
export type OpenAt = (folder: number, path: string, flags: number) => number;

/** Makes a descriptor of the engine's one that node:fs can use, closing it where that takes another. */
export type AdoptOpen = (fd: number, native: Native, flags: number) => number;

/** Errnos of a call that the kernel lacks or that a filter forbids. */
const withoutCall: ReadonlySet<string> = new Set(["ENOSYS", "EPERM"]);

/** PATH_MAX, with the zero at its end. Bytes. */
const longestPath = 4096;

/** One answer for all that leads out: RESOLVE_BENEATH's own, EXDEV, means something else to renames. */
const outside = (): Error => systemError("EPERM", "openat2");

/** The best way that there is. Both keep to the folder, also while somebody changes what is in it. */
export function createOpenAt(native: Native | string, adopt: AdoptOpen): OpenAt {
  const walking: OpenAt = (folder, path, flags) => openWalking(folder, path, flags, outside);
  if (typeof native === "string") return walking;
  const encoder = new TextEncoder();
  return (folder, path, flags) => {
    const bytes = encoder.encode(`${path}\0`);
    if (bytes.length > longestPath) throw systemError("ENAMETOOLONG", "openat2");
    const fd = native.sluice_open_at(folder, bytes, flags);
    if (fd >= 0) return adopt(fd, native, flags);
    const code = errnoName(-fd);
    if (code === "EXDEV") throw outside();
    if (withoutCall.has(code)) return walking(folder, path, flags);
    throw systemError(code, "openat2");
  };
}
