/** What the file that takes another's place gets from it: all that writing into the old one would have left. */
import type { BigIntStats } from "node:fs";
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { errnoName } from "../../core/abi/errno.ts";
import { type Permissions, preservedMode, replacingMode } from "../../core/replace.ts";
import type { Machine } from "../engine/machine.ts";
import { callFailed, codeOf, explained, fsCall } from "../support/system-error.ts";
import { O_PATH, type Place } from "./place.ts";
import { hasCapability } from "./privileges.ts";

const setId = 0o6000n;

/** What says that this user, or this filesystem, can't give a file to such an owner. */
export const ownerRefusals: ReadonlySet<string> = new Set([
  "EPERM",
  "EACCES",
  "EINVAL",
  "EOPNOTSUPP",
  "ENOTSUP",
  "ENOSYS",
  "EOVERFLOW",
]);

export const permissionsOf = ({ mode, uid, gid }: BigIntStats): Permissions => ({
  mode: Number(mode),
  uid: Number(uid),
  gid: Number(gid),
});

async function tryToGive(file: FileHandle, uid: bigint, gid: bigint): Promise<boolean> {
  try {
    await fsCall("copy", "fchown", file.chown(Number(uid), Number(gid)));
    return true;
  } catch (error) {
    if (ownerRefusals.has(codeOf(error) ?? "")) return false;
    throw error;
  }
}

/** Owner and group; the group alone where the owner can't be had. */
async function giveOwner(file: FileHandle, old: BigIntStats): Promise<BigIntStats> {
  const now = await file.stat({ bigint: true });
  if (now.uid === old.uid && now.gid === old.gid) return now;
  if (!(await tryToGive(file, old.uid, old.gid)) && now.gid !== old.gid) await tryToGive(file, now.uid, old.gid);
  return file.stat({ bigint: true });
}

/** Access lists, labels and what users have noted there; only the engine reaches them. */
async function giveAttributes({ engine }: Machine, place: Place, file: FileHandle): Promise<void> {
  if (engine === undefined) return;
  const flags = place.isHeld ? O_PATH : constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
  const old = await open(place.entry, flags | constants.O_NOFOLLOW).catch((error: unknown) => {
    // Gone, or not to be read where there is no other way to it.
    if (codeOf(error) === "ENOENT" || codeOf(error) === "EACCES") return undefined;
    throw explained(error, `open ${place.path}`, "open");
  });
  if (old === undefined) return;
  try {
    const { errno } = await engine.giveAttributes(old.fd, file.fd);
    if (errno > 0) throw callFailed(`copy to ${place.path}`, "setxattr", errnoName(errno));
  } finally {
    await old.close();
  }
}

/** Makes a file fit to take the place of `old`, which has the name still. The mode is `preserved`'s where that is given. */
export async function inherit(
  machine: Machine,
  place: Place,
  old: BigIntStats,
  file: FileHandle,
  preserved?: BigIntStats,
): Promise<void> {
  const now = permissionsOf(await giveOwner(file, old));
  await giveAttributes(machine, place, file);
  const mayKeepSetId = (old.mode & setId) !== 0n && (await hasCapability("FSETID")) === true;
  const mode =
    preserved === undefined
      ? replacingMode(permissionsOf(old), now, mayKeepSetId)
      : preservedMode(permissionsOf(preserved), now);
  await fsCall("copy", "fchmod", file.chmod(mode));
}

/** Gives a new file the mode of another. */
export async function preserveMode(file: FileHandle, source: BigIntStats): Promise<void> {
  const now = permissionsOf(await file.stat({ bigint: true }));
  await fsCall("copy", "fchmod", file.chmod(preservedMode(permissionsOf(source), now)));
}
