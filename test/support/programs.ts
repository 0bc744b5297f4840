/** Where the programs of the runtimes under test come from. */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, utimesSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { runChild } from "./child.ts";
import { root } from "./root.ts";

const modules = join(root, "node_modules");
const cache = join(modules, ".cache/sluice");

/** How long a program that is asked for something may do nothing (see patience.ts). */
const limitMs = 40_000;

/** Whether a program is there and runs. */
export function runs(program: string): Promise<boolean> {
  return runChild([program, "--version"], limitMs).then(
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

/** Where the Node.js of a release line lies once it has been fetched. */
const folderOf = (major: number) => join(cache, `node-${major}`);
const packageName = `node-${process.platform}-${process.arch}`;
const programIn = (folder: string) => join(folder, "node_modules", packageName, "bin/node");

/** The greatest of some versions, of three numbers each. */
export function newestOf(versions: readonly string[]): string | undefined {
  const numbers = (version: string) => version.split(".").map(Number);
  const compare = (a: string, b: string) => {
    const others = numbers(b);
    return numbers(a).reduce((order, part, index) => order || part - (others[index] ?? 0), 0);
  };
  return versions
    .filter((version) => /^\d+\.\d+\.\d+$/.test(version))
    .sort(compare)
    .at(-1);
}

/** The version of a Node.js, where there is one that runs. */
async function versionOf(program: string): Promise<string | undefined> {
  return (await runs(program)) ? readVersion(program) : undefined;
}

/** What a runtime answers to `--version`: the number in it. */
export async function readVersion(program: string): Promise<string> {
  const { stdout, output } = await runChild([program, "--version"], limitMs);
  const [version] = /\d+\.\d+\.\d+\S*/.exec(stdout) ?? [];
  if (version === undefined) throw new Error(`${program} does not tell its version: ${output}`);
  return version;
}

/** The newest release of a line that the registry has; undefined where it can't be reached. */
async function askForNewest(major: number): Promise<string | undefined> {
  const question = ["npm", "view", "--json", "--fetch-retries=0", `${packageName}@${major}`, "version"] as const;
  const { code, stdout } = await runChild(question, limitMs);
  return code === 0 ? newestOf([JSON.parse(stdout) as string | string[]].flat()) : undefined;
}

/** Installed beside its place and renamed into it, so that a half-fetched one is never taken for whole. */
async function install(major: number, version: string): Promise<void> {
  const folder = folderOf(major);
  const draft = `${folder}.${process.pid}`;
  mkdirSync(draft, { recursive: true });
  try {
    const usual = ["--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"];
    const command = ["npm", "install", "--prefix", draft, ...usual, `${packageName}@${version}`] as const;
    // A registry may stand still for once, and many tests depend on it.
    let ended = await runChild(command, limitMs * 3);
    if (ended.code !== 0) ended = await runChild(command, limitMs * 3);
    if (ended.code !== 0) throw new Error(`npm could not fetch ${packageName}@${version}:\n${ended.output}`);
    rmSync(folder, { recursive: true, force: true });
    renameSync(draft, folder);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

/** How long an answer of the registry is good for, unless a fresh one is asked for. */
const dayMs = 86_400_000;

/**
 * The newest Node.js of a release line, from the npm package that the package `node` itself would fetch in its install
 * script. It is kept in node_modules/.cache; the registry is asked again once a day, and always by CI or where `fresh` is
 * wanted. Where it can't be reached the one that is there serves, or what npm has kept of an earlier installation.
 */
export async function fetchNode(major: number, fresh = process.env["CI"] !== undefined): Promise<string> {
  const folder = folderOf(major);
  const program = programIn(folder);
  const present = await versionOf(program);
  const asked = statSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (present !== undefined && !fresh && Date.now() - asked < dayMs) return program;
  const newest = await askForNewest(major);
  if (newest === undefined) {
    console.log(
      `note: the registry did not say which Node.js ${major} is the newest; ${present ?? "npm's own copy"} serves`,
    );
    if (present === undefined) await install(major, String(major));
  } else if (newest !== present) await install(major, newest);
  if (newest !== undefined) utimesSync(folder, new Date(), new Date());
  return program;
}
