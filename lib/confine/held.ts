/** Folders that are held open, and the way to what is in them. */
import { type BigIntStats, constants, fstat, stat } from "node:fs";
import { promisify } from "node:util";
import { openFlags } from "../../core/abi/numbers.ts";

const statAsync = promisify(stat);
const statusAsync = promisify(fstat);

/** In linux/fcntl.h, but not in node:fs: a descriptor for its place alone, which needs no right to read it. */
export const O_PATH = 0o10000000;

const bits = [
  [openFlags.create, constants.O_CREAT],
  [openFlags.exclusive, constants.O_EXCL],
  [openFlags.truncate, constants.O_TRUNC],
  [openFlags.directory, constants.O_DIRECTORY],
  [openFlags.noFollow, constants.O_NOFOLLOW],
  [openFlags.path, O_PATH],
] as const;

/** Flags of open(2) for bits of `openFlags`. A FIFO without a peer, and a terminal, must hold no thread. */
export function nodeFlags(flags: number): number {
  const access = [constants.O_RDONLY, constants.O_RDONLY, constants.O_WRONLY, constants.O_RDWR][flags & 3] ?? 0;
  const quietly = flags & openFlags.path ? 0 : constants.O_NONBLOCK | constants.O_NOCTTY;
  return bits.reduce((all, [asked, flag]) => (flags & asked ? all | flag : all), access | quietly);
}

/** The way to a descriptor of this process, or to a name in a folder that it holds, for calls that take paths. */
export const pathOfFd = (fd: number, name?: string): string =>
  name === undefined ? `/proc/self/fd/${fd}` : `/proc/self/fd/${fd}/${name}`;

export const isSame = (a: BigIntStats | undefined, b: BigIntStats | undefined): boolean =>
  a?.dev === b?.dev && a?.ino === b?.ino;

/** Whether a folder was ever found by its descriptor. */
let isFound = false;

/** Whether a held folder can be reached by its descriptor: not without /proc, nor where the runtime keeps others out of it. */
export async function isReachable(fd: number): Promise<boolean> {
  if (isFound) return true;
  const found = await statAsync(pathOfFd(fd), { bigint: true }).catch(() => undefined);
  return (isFound = found !== undefined && isSame(found, await statusAsync(fd, { bigint: true })));
}
