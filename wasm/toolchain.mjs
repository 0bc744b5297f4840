// What the builds of wasm/ share: its tools, its WIT with the packages of WASI that it refers to, and its cache.
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { root } from "../.ci/build/files.mjs";

const require = createRequire(import.meta.url);

/** The version of WASI that the worlds import. */
const wasi = "0.2.12";
const packages = ["cli", "clocks", "filesystem", "io", "random", "sockets"];

/** The folder of an installed package, or undefined. */
export function packageFolder(name) {
  for (const folder of require.resolve.paths(name) ?? [])
    if (existsSync(join(folder, name, "package.json"))) return join(folder, name);
  return undefined;
}

const tools = ["@bytecodealliance/jco", "@bytecodealliance/preview2-shim", "componentize-qjs", "rolldown"];

/** Why nothing can be built here, or undefined. */
export function missingTool() {
  const missing = tools.find((name) => packageFolder(name) === undefined);
  return missing === undefined ? undefined : `${missing} is not installed`;
}

const versionOf = (name) => JSON.parse(readFileSync(join(packageFolder(name), "package.json"), "utf8")).version;

export const toolVersions = () => tools.map((name) => `${name} ${versionOf(name)}`).join(", ");

/** jco reads files by WASI itself, and its shim lends it no folder of its own accord. At build time only. */
async function lendFiles() {
  const shim = pathToFileURL(join(packageFolder("@bytecodealliance/preview2-shim"), "dist/nodejs/filesystem.js"));
  const { _addPreopen } = await import(shim.href);
  _addPreopen("/", "/");
}

export async function loadJco() {
  await lendFiles();
  return await import("@bytecodealliance/jco");
}

export async function loadComponentize() {
  await lendFiles();
  return (await import("componentize-qjs")).componentize;
}

/** Makes a folder's content elsewhere and renames it into its place, so that a half is never taken for whole. */
export async function inPlace(folder, make) {
  const draft = `${folder}.${process.pid}`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { recursive: true });
  try {
    await make(draft);
    rmSync(folder, { recursive: true, force: true });
    renameSync(draft, folder);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

/** Our WIT beside that of WASI, as all tools want it: a folder. */
export async function assembleWit() {
  const builtin = join(packageFolder("@bytecodealliance/jco"), "lib/wit/builtin", wasi);
  const folder = join(root, "build/wasm/wit");
  mkdirSync(dirname(folder), { recursive: true });
  await inPlace(folder, (draft) => {
    cpSync(join(root, "wasm/wit"), draft, { recursive: true });
    for (const name of packages) cpSync(join(builtin, `wasi-${name}`), join(draft, "deps", name), { recursive: true });
  });
  return folder;
}
