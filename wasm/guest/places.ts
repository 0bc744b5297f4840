/** Paths, as the folders that the host has lent make them out. */
import { getDirectories } from "wasi:filesystem/preopens@0.2.12";
import type { Descriptor, DescriptorFlags, OpenFlags } from "wasi:filesystem/types@0.2.12";
import { checkedPath } from "#core/wasi/component.js";
import { errnoNumber } from "#core/abi/errno.js";
import { TransferError } from "#core/error.js";
import { attempt } from "./errors.ts";

/** A path beneath a folder that was lent. */
export interface Place {
  /** As it was given. */
  readonly name: string;
  readonly folder: Descriptor;
  readonly path: string;
}

/** Asked once an instance: the component is a snapshot from before there was a host. */
let lent: readonly (readonly [Descriptor, string])[] | undefined;

export function lentFolders(): readonly (readonly [Descriptor, string])[] {
  lent ??= getDirectories();
  return lent;
}

/** What is left of a path within a folder, or undefined where it isn't in there. */
function within(root: string, path: string): string | undefined {
  const base = root === "." ? "" : root.endsWith("/") ? root : `${root}/`;
  if (root === "." && path.startsWith("/")) return undefined;
  if (`${path}/` === base) return ".";
  return path.startsWith(base) ? path.slice(base.length).replace(/^\/+/, "") || "." : undefined;
}

/**
 * Finds the folder of a path: the one with the longest name. A relative path that no folder has is taken from "/".
 * Whether it stays in there is the host's to see to, component by component.
 */
export function placeOf(argument: string, name: string): Place {
  const path = checkedPath(argument, name);
  for (const candidate of path.startsWith("/") ? [path] : [path, `/${path}`]) {
    let best: Place | undefined;
    let longest = -1;
    for (const [folder, root] of lentFolders()) {
      const rest = within(root, candidate);
      if (rest === undefined || root.length <= longest) continue;
      longest = root.length;
      best = { name, folder, path: rest };
    }
    if (best !== undefined) return best;
  }
  const code = "ENOENT";
  throw new TransferError(`Cannot open ${name}: no folder of the host holds it (${code})`, {
    code,
    errno: errnoNumber(code),
  });
}

export function openPlace({ name, folder, path }: Place, open: OpenFlags, flags: DescriptorFlags): Descriptor {
  return attempt(`open ${name}`, "openat", () => folder.openAt({ symlinkFollow: true }, path, open, flags));
}

/** Another name in the same folder. */
export function sibling({ name, folder, path }: Place, make: (last: string) => string): Place {
  const cut = path.lastIndexOf("/") + 1;
  return { name, folder, path: path.slice(0, cut) + make(path.slice(cut)) };
}

/** As many links as Linux follows (path_resolution(7)). */
const mostLinks = 40;

/** The file that a path leads to: it is replaced, not the link to it. */
export function destination(place: Place): Place {
  let at = place;
  for (let links = 0; links <= mostLinks; links++) {
    let next: string;
    try {
      next = at.folder.readlinkAt(at.path);
    } catch {
      // It is no link, or not there yet, or can't be read: opening it tells.
      return at;
    }
    if (next.startsWith("/")) throw tooFar(place, "EPERM", "its link leads out of the folder");
    at = sibling(at, () => next);
  }
  throw tooFar(place, "ELOOP", "too many symbolic links");
}

function tooFar({ name }: Place, code: "EPERM" | "ELOOP", why: string): TransferError {
  return new TransferError(`Cannot open ${name}: ${why} (${code})`, { code, errno: errnoNumber(code) });
}
