/** Names and paths, as Linux bounds them. */

/** PATH_MAX (limits.h): bytes of a path, with the zero at its end. */
export const pathMax = 4096;

/** NAME_MAX (limits.h): bytes of a name. Encrypting filesystems have 143. */
export const nameMax = 255;

/** As many symbolic links as the kernel follows (path_resolution(7)). */
export const mostLinks = 40;

const bytesOf = (code: number): number => (code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4);

/** The beginning of a text that takes at most so many bytes as UTF-8, cut between characters. */
export function beginning(text: string, most: number): string {
  let bytes = 0;
  let end = 0;
  for (const character of text) {
    bytes += bytesOf(character.codePointAt(0) ?? 0);
    if (bytes > most) break;
    end += character.length;
  }
  return text.slice(0, end);
}

/** How much of the target's name shows in the temporary's. Bytes. */
const shownBytes = 32;

/** The name of the temporary that a file is made in: short, whatever the name that it is made for. */
export const temporaryName = (name: string, unique: string): string =>
  `.${beginning(name, shownBytes)}.${unique}.sluice`;
