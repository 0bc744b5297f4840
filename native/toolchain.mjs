// What the build and the C tests share: the compiler, the inputs and whether an output is up to date.
import { spawnSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The repository; compilers run here, so that only relative paths reach a binary. */
export const root = fileURLToPath(new URL("..", import.meta.url));

/** Flags for every C file of this project. */
export const cFlags = ["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-Inative/include"];

/** Files of `folder` with one of the endings, by path from the root, in a constant order. */
export function filesIn(folder, ...endings) {
  return readdirSync(new URL(`../${folder}`, import.meta.url))
    .filter((name) => endings.some((ending) => name.endsWith(ending)))
    .toSorted()
    .map((name) => `${folder}/${name}`);
}

const modified = (path) => statSync(new URL(`../${path}`, import.meta.url), { throwIfNoEntry: false })?.mtimeMs;

/** Whether `output` is newer than every input. A folder counts as changed when a file came or went. */
export function isFresh(output, inputs) {
  const made = modified(output);
  return made !== undefined && inputs.every((input) => (modified(input) ?? Infinity) < made);
}

/** The first of these commands that runs, as a list of words ($CC may hold several); undefined without one. */
export function findCommand(candidates) {
  return candidates
    .map((candidate) => candidate?.split(/\s+/).filter(Boolean) ?? [])
    .find(([command, ...args]) => command && spawnSync(command, [...args, "--version"]).status === 0);
}

/** The host's C compiler, as a list of words. */
export const findCompiler = () => findCommand([process.env.CC, "cc", "gcc", "clang"]);
