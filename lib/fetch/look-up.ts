/** What a path leads to beneath the root. */
import { closeSync, fstatSync } from "node:fs";
import { callFailed } from "../support/system-error.ts";
import type { OpenBeneath } from "./beneath.ts";
import { OpenFile } from "./open-file.ts";

/** Anything but a regular file or a folder is missing: a FIFO or a device has no content to serve. */
export type Found =
  | { readonly kind: "file"; readonly file: OpenFile }
  | { readonly kind: "folder" | "missing" | "forbidden" };

const kinds: Readonly<Record<string, "missing" | "forbidden">> = {
  ENOENT: "missing",
  ENOTDIR: "missing",
  ENAMETOOLONG: "missing",
  // A link that leads out of the root, in circles, or through /proc.
  EXDEV: "missing",
  ELOOP: "missing",
  // A socket, or a device without a driver.
  ENXIO: "missing",
  ENODEV: "missing",
  EACCES: "forbidden",
  EPERM: "forbidden",
};

/**
 * Opens it once; all that is told of a file comes from that descriptor.
 *
 * @throws TransferError for what says nothing of the path: EMFILE, EIO, …
 */
export async function lookUp(openBeneath: OpenBeneath, root: string | URL, path: string): Promise<Found> {
  const opened = await openBeneath(root, path);
  if (typeof opened === "string") {
    const kind = kinds[opened];
    if (kind === undefined) throw callFailed(`open ${path}`, "open", opened);
    return { kind };
  }
  const stats = fstatSync(opened);
  if (stats.isFile()) return { kind: "file", file: new OpenFile(opened, stats) };
  closeSync(opened);
  return { kind: stats.isDirectory() ? "folder" : "missing" };
}
