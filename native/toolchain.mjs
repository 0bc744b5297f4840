// What the build and the C tests share: the compiler, its flags, and objects that are made one by one.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename, join } from "node:path";
import { digest, root } from "../.ci/build/files.mjs";
import { isSealed, writeSeal } from "../.ci/build/seal.mjs";

/** Flags for every C file of this project. */
export const cFlags = [
  "-std=c11",
  "-D_GNU_SOURCE",
  "-Wall",
  "-Wextra",
  "-Werror",
  "-Wredundant-decls",
  "-Inative/include",
];

/** What the C tests, and the helpers of the bench (bench/support/helpers.ts), are compiled with besides. */
export const testFlags = ["-Inative/test", "-pthread"];
export const benchFlags = ["-std=gnu11", "-O2", "-pthread"];

/** The first of these commands that runs, as a list of words ($CC may hold several); undefined without one. */
export function findCommand(candidates) {
  return candidates
    .map((candidate) => candidate?.split(/\s+/).filter(Boolean) ?? [])
    .find(([command, ...args]) => command && spawnSync(command, [...args, "--version"]).status === 0);
}

/** The host's C compiler, as a list of words. */
export const findCompiler = () => findCommand([process.env.CC, "cc", "gcc", "clang"]);

async function succeeds([command, ...args]) {
  const child = spawn(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  const [status] = await once(child, "close");
  return status === 0;
}

/** What a file was compiled from, headers included, as the compiler noted it (-MMD); undefined before the first time. */
function inputsOf(depfile) {
  if (!existsSync(join(root, depfile))) return undefined;
  const [, list] = readFileSync(join(root, depfile), "utf8").replaceAll("\\\n", " ").split(/:\s/, 2);
  return list?.split(/\s+/).filter(Boolean);
}

const keyOf = (texts, inputs) =>
  inputs?.every((input) => existsSync(join(root, input))) ? digest(texts, inputs) : undefined;

/** Makes an object from a C file, unless it has been made by this command from what its inputs are now. */
async function compile(command, source, folder) {
  const base = `${folder}/${basename(source, ".c")}`;
  const [object, depfile, seal] = [".o", ".d", ".seal"].map((ending) => base + ending);
  const made = keyOf(command, inputsOf(depfile));
  if (made !== undefined && isSealed(seal, made, [object])) return true;
  const draft = `${base}.${process.pid}`;
  const started = Date.now();
  try {
    const outputs = ["-MMD", "-MT", object, "-MF", `${draft}.d`, "-o", `${draft}.o`];
    if (!(await succeeds([...command, "-c", source, ...outputs]))) return false;
    const inputs = inputsOf(`${draft}.d`);
    const key = keyOf(command, inputs);
    for (const ending of [".d", ".o"]) renameSync(join(root, draft + ending), join(root, base + ending));
    // One that was edited meanwhile may not be what was compiled.
    if (key !== undefined && inputs.every((input) => statSync(join(root, input)).mtimeMs < started))
      writeSeal(seal, key);
    return true;
  } finally {
    for (const ending of [".d", ".o"]) rmSync(join(root, draft + ending), { force: true });
  }
}

/** The objects of C files, as many made at a time as there are CPUs; undefined where one does not compile. */
export async function compileAll(command, sources, folder) {
  mkdirSync(join(root, folder), { recursive: true });
  const left = [...sources];
  let failed = false;
  const work = async () => {
    for (let source; !failed && (source = left.shift()) !== undefined;)
      if (!(await compile(command, source, folder))) failed = true;
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  return failed ? undefined : sources.map((source) => `${folder}/${basename(source, ".c")}.o`);
}

/** Links objects, unless they have been, and has the draft checked before it takes the place of `output`. */
export async function link(command, objects, output, seal, check) {
  const key = digest(command, objects);
  if (isSealed(seal, key, [output])) return true;
  const draft = `${seal}.${process.pid}`;
  try {
    // Renamed into place: a process that has the old one mapped keeps it whole, and no package carries half of one.
    if (!(await succeeds([...command, ...objects, "-o", draft]))) return false;
    await check?.(draft);
    renameSync(join(root, draft), join(root, output));
    writeSeal(seal, key);
    return true;
  } finally {
    rmSync(join(root, draft), { force: true });
  }
}
