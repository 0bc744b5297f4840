/** What a complete file may take the place of, and what it keeps of that. */
import { errnoNumber, errnoText } from "./abi/errno.ts";
import { TransferError } from "./error.ts";
import type { EndpointKind } from "./plan/endpoint.ts";

function refused(name: string, code: string, syscall: string): TransferError {
  const message = `Cannot copy to ${name}: ${errnoText(code)} (${code}, ${syscall})`;
  return new TransferError(message, { code, errno: errnoNumber(code), syscall });
}

/** What has the name that a complete file is to get: only a regular file is replaced, and that only where it may be. */
export function checkReplaced(name: string, kind: EndpointKind, overwrite: boolean): void {
  if (kind === "directory") throw refused(name, "EISDIR", "open");
  if (!overwrite) throw refused(name, "EEXIST", "link");
  if (kind !== "file")
    throw new TransferError(`Cannot copy to ${name}: it is not a regular file and can't be replaced; use transfer()`, {
      code: "ERR_SLUICE_UNSUPPORTED",
    });
}

/** A file is not replaced by its own copy. */
export function checkNotSource(name: string, isSource: boolean): void {
  if (isSource)
    throw new TransferError(`Cannot copy to ${name}: it is the source itself`, { code: "ERR_SLUICE_OVERLAP" });
}

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
 * what writing into the old file would have left. Bits that run a program as another user or group (S_ISUID, S_ISGID) stay
 * only where that is still the same one, and where the kernel leaves them to the writer (CAP_FSETID); rights of a group
 * don't pass to another one.
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
