/** Why a library can't be loaded, in words that say what to change. */

/** What a runtime's `bind` throws where it knows the whole of it, and no path has to be told. */
export class Unavailable extends Error {}

/** By what dlopen(3) says, of glibc and musl, and by how koffi, Bun and Deno tell it. */
const words: readonly (readonly [RegExp, string])[] = [
  [/ENOENT/, "there is no such file"],
  // glibc says so of a file that is there, too, where its machine is another.
  [/No such file or directory/i, "it is not there, or for another architecture or libc"],
  [/EACCES|ERR_ACCESS_DENIED|Permission denied/i, "it may not be read"],
  [/failed to map|Operation not permitted|EPERM/, "code may not be mapped from there (noexec, seccomp or the like)"],
  [/wrong ELF class|ELFCLASS/i, "it is for another architecture"],
  [/invalid ELF header|file too short|Exec format error|not a regular file|Is a directory/i, "it is no shared library"],
  [/GLIBC_|ld-linux|ld-musl|relocat/, "it is for another libc"],
  [
    /undefined symbol|Cannot find function|not found in|Failed to register symbol|Symbol not found/i,
    "it is not sluice's, or of another version",
  ],
];

const oneLine = (error: unknown): string =>
  String(error instanceof Error ? error.message : error).split("\n", 1)[0] ?? "";

/** The code, where there is one, and the message. */
const shownCode = (error: unknown): string => (error instanceof Error && "code" in error ? String(error.code) : "");

/** Why `name` can't be loaded. */
export function loadFailure(name: string, error: unknown): string {
  // The path may be like anything.
  const line = oneLine(error).replaceAll(name, "");
  const [, known] = words.find(([pattern]) => pattern.test(`${shownCode(error)} ${line}`)) ?? [];
  return `${name} can't be loaded: ${known ?? line}`;
}

/** For the moment only: the next call may find a descriptor free. */
export const saysNoDescriptors = (error: unknown): boolean => /EMFILE|ENFILE|too many open files/i.test(oneLine(error));
