/** What a file keeps that takes the place of another. */

/** The part of a file's status that says who may do what. */
export interface Permissions {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

const setId = 0o6000;
const group = 0o070;

/**
 * The mode of a file that takes the place of `old`, once it has got as much of its owner and group as its maker may give:
 * what writing into the old file would have left. Bits that run a program as another user or group (S_ISUID, S_ISGID) stay only
 * where owner and group are still the same, and where the kernel leaves them to a writer (CAP_FSETID); rights of a
 * group don't pass to another one.
 */
export function replacingMode(old: Permissions, now: Pick<Permissions, "uid" | "gid">, mayKeepSetId: boolean): number {
  const sameGroup = now.gid === old.gid;
  const mode = old.mode & 0o7777;
  const withIds = mayKeepSetId && sameGroup && now.uid === old.uid ? mode : mode & ~setId;
  return sameGroup ? withIds : withIds & (~group | ((mode & 0o007) << 3));
}

/** The mode of a copy that keeps its source's: cp -p clears S_ISUID and S_ISGID, too, where owner or group are others. */
export function preservedMode(source: Permissions, now: Pick<Permissions, "uid" | "gid">): number {
  const isOwners = now.uid === source.uid && now.gid === source.gid;
  return source.mode & (isOwners ? 0o7777 : 0o7777 & ~setId);
}
