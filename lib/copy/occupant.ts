/** What has the name already that a complete file is to get: whether it may be replaced, as far as that can be known before. */
import { type BigIntStats } from "node:fs";
import { stat } from "node:fs/promises";
import { errnoName } from "../../core/abi/errno.ts";
import { TransferError } from "../../core/error.ts";
import type { Machine } from "../engine/machine.ts";
import { callFailed } from "../support/system-error.ts";
import type { Place } from "./place.ts";
import { hasCapability } from "./privileges.ts";

/** Only a regular file is replaced, and that only where it may be. */
export function checkOccupant(
  path: string,
  old: BigIntStats | undefined,
  { overwrite }: { readonly overwrite: boolean },
): void {
  if (old === undefined) return;
  if (old.isDirectory()) throw callFailed(`copy to ${path}`, "open", "EISDIR");
  if (!overwrite) throw callFailed(`copy to ${path}`, "link", "EEXIST");
  if (!old.isFile())
    throw new TransferError(`Cannot copy to ${path}: it is not a regular file and can't be replaced; use transfer()`, {
      code: "ERR_SLUICE_UNSUPPORTED",
    });
}

/** The errnos of a rename that the file's own flags forbid. */
const forbidden = new Set(["EPERM", "EBUSY"]);

/** Throws what the rename over a file would fail with, where that can be told. */
export function checkReplaceable(
  { native }: Machine,
  place: Place,
  old: BigIntStats,
  source: BigIntStats | undefined,
): void {
  if (source !== undefined && source.dev === old.dev && source.ino === old.ino)
    throw new TransferError(`Cannot copy to ${place.path}: it is the source itself`, { code: "ERR_SLUICE_OVERLAP" });
  if (typeof native !== "string") {
    const answer = native.sluice_is_replaceable(new TextEncoder().encode(`${place.entry}\0`));
    const code = answer < 0 ? errnoName(-answer) : "";
    if (forbidden.has(code)) throw callFailed(`replace ${place.path}`, "rename", code);
  }
}

/**
 * In a folder such as /tmp only the owner of a file, or of the folder, may take its name away (S_ISVTX, inode(7)).
 *
 * @param user whose the new file is
 */
export async function checkSticky(place: Place, old: BigIntStats, user: bigint): Promise<void> {
  if (old.uid === user) return;
  const folder = await stat(place.folder, { bigint: true });
  if ((folder.mode & 0o1000n) === 0n || folder.uid === user || (await hasCapability("FOWNER")) !== false) return;
  throw callFailed(`replace ${place.path}`, "rename", "EPERM");
}
