/** The folder that the apps serve. */
import { copyFileSync, renameSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { dataFile, KiB, MiB } from "../../contract/support/files.ts";
import { tempFolder } from "../../support/temp.ts";

/**
 * The largest is more than a connection takes whose peer stops reading after a MiB: 4 MiB lie with the sender (tcp_wmem),
 * and the receiver's buffer grows with what has been read (tcp_rmem, tcp(7)).
 */
export const sizes = {
  empty: 0,
  "1k": KiB,
  "4k": 4 * KiB,
  "64k": 64 * KiB,
  "300k": 300 * KiB,
  "1m": MiB,
  "16m": 16 * MiB,
} as const;

export type Size = keyof typeof sizes;

/** Smaller bodies are taken over or not as is cheaper. */
export const isLarge = (bytes: number): boolean => bytes >= 256 * KiB;

export interface Content {
  readonly folder: string;
  /** The path of `SIZE.bin`. */
  path(size: Size): string;
  readonly bytes: Readonly<Record<Size, Buffer>>;
}

/** Makes `SIZE.bin` for each of {@link sizes}, and `SIZE.jpg`, which by its name nobody would compress. */
export function makeContent(): Content {
  const folder = tempFolder();
  const path = (size: Size) => join(folder, `${size}.bin`);
  const entries = Object.entries(sizes).map(([size, length]) => {
    const made = dataFile(folder, length);
    renameSync(made.path, path(size as Size));
    copyFileSync(path(size as Size), join(folder, `${size}.jpg`));
    for (const extension of ["bin", "jpg"])
      utimesSync(join(folder, `${size}.${extension}`), 1_700_000_000, 1_700_000_000);
    return [size, made.content];
  });
  return { folder, path, bytes: Object.fromEntries(entries) as Record<Size, Buffer> };
}
