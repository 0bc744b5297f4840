/** The package as a user has it: packed, and installed from the tarball in a folder of its own. */
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Ended, runChild } from "../support/child.ts";
import { root } from "../support/root.ts";
import { home } from "../support/runtimes.ts";
import { tempFolder } from "../support/temp.ts";

const timeoutMs = 120_000;

/** Runs a command, which has to succeed. */
export async function succeed(...command: readonly [string, ...string[]]): Promise<Ended> {
  const ended = await runChild(command, timeoutMs);
  if (ended.code !== 0) throw new Error(`${command.join(" ")} ended with ${ended.code}:\n${ended.output}`);
  return ended;
}

/** Builds the library for arm64 too, where there is a compiler for that. */
export async function buildForArm64(): Promise<void> {
  await succeed(...home.command, join(root, "native/build.mjs"), "--target", "linux-arm64");
}

export interface Packed {
  /** The tarball's path. */
  readonly path: string;
  /** What is in it, by path in the package. */
  readonly files: readonly string[];
}

/** Packs a folder as it is. The scripts around packing would build anew, under the feet of other tests. */
export async function packFolder(packed: string): Promise<Packed> {
  const folder = tempFolder();
  const options = ["--json", "--ignore-scripts", "--pack-destination", folder];
  const { stdout } = await succeed("npm", "pack", packed, ...options);
  const [made] = JSON.parse(stdout) as { filename: string; files: { path: string }[] }[];
  if (made === undefined) throw new Error(`npm pack said ${stdout}`);
  return { path: join(folder, made.filename), files: made.files.map(({ path }) => path) };
}

/** Packs what has been built of the package itself. */
export const pack = (): Promise<Packed> => packFolder(root);

/** Installs tarballs in an empty folder, what they depend on from the registry, and answers the folder. */
export async function install(...tarballs: readonly string[]): Promise<string> {
  const folder = tempFolder();
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
  const options = ["--prefer-offline", "--no-audit", "--no-fund"];
  await succeed("npm", "install", "--prefix", folder, ...options, ...tarballs);
  return folder;
}

/** Lets the types of a package that is installed here be found from a folder. */
export function borrowTypes(folder: string, name: string): void {
  const place = join(folder, "node_modules/@types", name);
  if (existsSync(place)) return;
  mkdirSync(dirname(place), { recursive: true });
  symlinkSync(join(root, "node_modules/@types", name), place);
}
