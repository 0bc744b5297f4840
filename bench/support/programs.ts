/** Other runtimes and programs: where they are, and which version. Nothing is fetched. */
import { execFile } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { fileURLToPath } from "node:url";
import { Unavailable } from "./helpers.ts";

const run = promisify(execFile);

/** Debian keeps servers where only root looks. */
export const searchPath = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin"];

/** The path of a program, or undefined where there is none. */
export function findProgram(name: string): string | undefined {
  return searchPath.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/** @throws Unavailable when it is not installed */
export function needProgram(name: string): string {
  const path = findProgram(name);
  if (path === undefined) throw new Unavailable(`${name} is not installed`);
  return path;
}

export interface Program {
  /** What a script and its arguments are appended to. */
  readonly command: readonly [string, ...string[]];
  readonly version: string;
}

interface Recipe {
  /** The npm packages of its platforms, where the real program is whatever npm was told about install scripts. */
  readonly scope: string;
  readonly path: string;
  /** Where such a script moves it, in the main package. */
  readonly moved: string;
  readonly options: readonly string[];
}

const recipes: Readonly<Record<string, Recipe>> = {
  bun: { scope: "@oven", path: "bin/bun", moved: "bun/bin/bun.exe", options: [] },
  deno: {
    scope: "@deno",
    path: "deno",
    moved: "deno/deno",
    // Nothing is looked up on the network, and no lock of its own is kept beside npm's.
    options: ["run", "--allow-all", "--no-check", "--no-lock", "--cached-only", "--quiet"],
  },
};

const modules = fileURLToPath(new URL("../../../node_modules/", import.meta.url));

function installed({ scope, path, moved }: Recipe): string[] {
  const folder = join(modules, scope);
  const platforms = existsSync(folder) ? readdirSync(folder) : [];
  return [...platforms.map((platform) => join(folder, platform, path)), join(modules, moved)];
}

/** The version that a program tells, or undefined where it can't be run. */
export function versionOf(program: string, option = "--version"): Promise<string | undefined> {
  return run(program, [option], { timeout: 10_000, env: { ...process.env, LC_ALL: "C" } }).then(
    ({ stdout, stderr }) => /\d+(?:\.\d+)+/.exec(`${stdout}${stderr}`)?.[0],
    // Not there, not executable, or of another platform.
    () => undefined,
  );
}

/** @throws Unavailable when the runtime is not installed */
export async function findRuntime(name: "node" | "bun" | "deno"): Promise<Program> {
  if (name === "node") return { command: [process.execPath], version: process.versions.node };
  const recipe = recipes[name];
  const onPath = findProgram(name);
  for (const program of [
    ...(recipe === undefined ? [] : installed(recipe)),
    ...(onPath === undefined ? [] : [onPath]),
  ]) {
    const version = await versionOf(program);
    if (version !== undefined) return { command: [program, ...(recipe?.options ?? [])], version };
  }
  throw new Unavailable(`${name} is not installed`);
}
