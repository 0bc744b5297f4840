/** From the path of a URL to a path of the file system, relative to the root. */
import type { FileOptions } from "./options.ts";

/** A path with something in it, or the status that refuses it. */
export type RequestPath = { readonly path: string; readonly isFolder: boolean } | { readonly status: 400 | 403 | 404 };

const hidden = { ignore: 404, deny: 403 } as const;

/** Names that begin with a dot are private, but for the one that is there to be asked for (RFC 8615), at the root alone. */
export const isHidden = (name: string, depth: number): boolean =>
  name.startsWith(".") && !(depth === 0 && name === ".well-known");

/**
 * Decodes a URL path, once. An encoded slash separates names as a plain one does: what the path then leads to is
 * beneath the root like everything else. A query is cut off.
 */
export function decodePath(urlPath: string, dotfiles: FileOptions["dotfiles"] = "ignore"): RequestPath {
  let decoded: string;
  try {
    decoded = decodeURIComponent(urlPath.replace(/[?#].*$/s, ""));
  } catch (error) {
    if (error instanceof URIError) return { status: 400 };
    throw error;
  }
  if (decoded.includes("\0")) return { status: 400 };
  const names = decoded.split("/").filter((name) => name !== "" && name !== ".");
  if (names.includes("..")) return { status: 403 };
  if (dotfiles !== "allow" && names.some(isHidden)) return { status: hidden[dotfiles] };
  return { path: names.join("/") || ".", isFolder: names.length === 0 || /\/\.?$/.test(decoded) };
}
