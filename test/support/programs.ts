/** Where the programs of the runtimes under test come from. */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { runChild } from "./child.ts";
import { root } from "./root.ts";

const modules = join(root, "node_modules");
const cache = join(modules, ".cache/sluice");

/** Whether a program is there and runs. */
export function runs(program: string): Promise<boolean> {
  return runChild([program, "--version"], 20_000).then(
    ({ code }) => code === 0,
    // It could not be started: there is none, or it is not executable.
    () => false,
  );
}

/**
 * A program that npm installed in the package of this platform, `@scope/*`, or that its main package's install
 * script has moved: npm may have been told to run no scripts, and then the main package's own file is a stub.
 */
export async function installedProgram(scope: string, path: string, moved: string): Promise<string> {
  const platforms = existsSync(join(modules, scope)) ? readdirSync(join(modules, scope)) : [];
  const places = [...platforms.map((name) => join(modules, scope, name, path)), join(modules, moved)];
  for (const place of places) if (await runs(place)) return place;
  throw new Error(`None of these programs runs: ${places.join(", ")}`);
}

/**
 * The newest Node.js of a release line, from the npm package that the package `node` itself would fetch in its
 * install script. It is fetched once and kept in node_modules/.cache.
 */
export async function fetchNode(major: number): Promise<string> {
  const name = `node-${process.platform}-${process.arch}`;
  const folder = join(cache, `node-${major}`);
  const program = join(folder, "node_modules", name, "bin/node");
  if (await runs(program)) return program;
  // Installed beside its place and renamed into it, so that a half-fetched one is never taken for whole.
  const draft = `${folder}.${process.pid}`;
  mkdirSync(draft, { recursive: true });
  try {
    const options = ["--no-save", "--ignore-scripts", "--no-audit", "--no-fund"];
    const install = ["npm", "install", "--prefix", draft, ...options, `${name}@${major}`] as const;
    const { code, output } = await runChild(install, 300_000);
    if (code !== 0) throw new Error(`npm could not fetch ${name}@${major}:\n${output}`);
    rmSync(folder, { recursive: true, force: true });
    renameSync(draft, folder);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  return program;
}
