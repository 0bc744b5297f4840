/**
 * Opening what lies beneath a folder where there is neither openat2(2) nor /proc: the path is resolved before the open and
 * after it, and has to lead to the file that is open. A process that replaces folders beneath the root by links, several
 * times between these calls, could have an outside file taken for an inside one.
 */
import { close, constants, fstat, lstat, open, realpath } from "node:fs";
import { join, sep } from "node:path";
import { promisify } from "node:util";
import { openFlags } from "../../core/abi/numbers.ts";
import type { Opened } from "../../core/walk.ts";
import { orErrno } from "./errno.ts";
import { isSame, nodeFlags } from "./held.ts";

const closeAsync = promisify(close);
const lstatAsync = promisify(lstat);
const openAsync = promisify(open);
/** The C library's: Node's own looks at the folders above, too, for which its permission model may have no right. */
const realpathAsync = promisify(realpath.native);
const statusAsync = promisify(fstat);

const isBeneath = (root: string, path: string): boolean =>
  path === root || path.startsWith(root.endsWith(sep) ? root : root + sep);

/** Where a path leads, if that is beneath a root; an errno else. */
async function resolveBeneath(root: string, path: string): Promise<{ readonly real: string } | string> {
  const real = await orErrno(realpathAsync(path));
  if (!real.startsWith(sep)) return real;
  return isBeneath(root, real) ? { real } : "EXDEV";
}

/** Opens for reading. */
export async function openByPath(root: string, path: string): Promise<Opened> {
  const base = await orErrno(realpathAsync(root));
  if (!base.startsWith(sep)) return base;
  const full = join(base, path);
  const before = await resolveBeneath(base, full);
  if (typeof before === "string") return before;
  const kind = /\/\.?$/.test(path) ? openFlags.directory : 0;
  const flags = nodeFlags(openFlags.read | kind) | constants.O_NOFOLLOW;
  const fd = await orErrno(openAsync(before.real, flags));
  if (typeof fd === "string") return fd;
  const after = await resolveBeneath(base, full);
  const found = typeof after === "string" ? after : await orErrno(lstatAsync(after.real, { bigint: true }));
  if (typeof found !== "string" && isSame(found, await statusAsync(fd, { bigint: true }))) return fd;
  await closeAsync(fd);
  return "EXDEV";
}
