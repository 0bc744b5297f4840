/** Opening a path beneath a folder that is held open, and nothing else, on this thread. */
import type { Native } from "../../core/abi/abi.ts";
import { openFlags } from "../../core/abi/numbers.ts";
import type { Opened } from "../../core/walk.ts";
import type { Runtime } from "../runtime.ts";
import { errnoOf } from "./errno.ts";
import { nodeFlags } from "./held.ts";
import { isWithoutCall, openedBy, pathError, PathMemory } from "./kernel.ts";
import { walkNow } from "./walk.ts";

/** Opens by bits of `openFlags`: a descriptor that node:fs can use, which never waits for a FIFO's peer. */
export type OpenAt = (folder: number, path: string, flags: number) => Opened;

/** What has been done when the file was opened the first time. */
const once = openFlags.create | openFlags.exclusive | openFlags.truncate | openFlags.noFollow;

/** The best way that there is. Both keep to the folder, also while its content changes. */
export function createOpenAt(native: Native | string, { reopen }: Runtime): OpenAt {
  const walking: OpenAt = (folder, path, flags) => pathError(path) ?? walkNow(folder, path, flags);
  if (typeof native === "string") return walking;
  const memory = new PathMemory();
  return (folder, path, flags) => {
    const error = memory.set(path);
    if (error !== undefined) return error;
    const opened = openedBy(native.sluice_open_at(folder, memory.bytes, flags));
    if (isWithoutCall(opened)) return walking(folder, path, flags);
    if (typeof opened === "string") return opened;
    if (reopen === undefined) return opened;
    try {
      return reopen(opened, nodeFlags(flags & ~once));
    } catch (thrown) {
      return errnoOf(thrown);
    } finally {
      native.sluice_close(opened);
    }
  };
}
