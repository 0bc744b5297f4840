/** The folders that guests are lent. */
import { argumentError, shown } from "../../core/error.ts";
import { checkKnown } from "../../core/options.ts";
import type { OpenAt } from "../confine/open-at.ts";
import { Folder } from "./folder.ts";
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
