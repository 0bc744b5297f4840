/** Programs that the bench runs: its own in C, compiled when they are first wanted, and what is installed. Nothing is fetched. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync, readdirSync, renameSync, statSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { delimiter, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Something that this machine lacks; its rows are shown with the reason instead of a figure. */
export class Unavailable extends Error {}

/** What work gives, or what is made of the reason where the machine lacks something for it. */
export async function orReason<T>(work: () => T | Promise<T>, otherwise: (reason: string) => T): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    return otherwise(error.message);
  }
}

const sourceFolder = new URL("../../../bench/c/", import.meta.url);
const binaryFolder = fileURLToPath(new URL("../../../build/bench/", import.meta.url));

/** Of all sources: they include each other's headers. */
function newerThanSources(binary: string): boolean {
  const changes = readdirSync(sourceFolder).map((name) => statSync(new URL(name, sourceFolder)).mtimeMs);
  return existsSync(binary) && statSync(binary).mtimeMs >= Math.max(...changes);
}

/**
 * Path of a compiled helper.
 *
 * @throws Unavailable when there is no C compiler
 */
export async function helper(name: string): Promise<string> {
  const source = fileURLToPath(new URL(`${name}.c`, sourceFolder));
  const binary = join(binaryFolder, name);
  if (newerThanSources(binary)) return binary;
  const compiler = process.env["CC"] ?? "cc";
  // Another process may compile it too, and must not run half of one.
  const draft = `${binary}.${process.pid}`;
  await mkdir(binaryFolder, { recursive: true });
  await run(compiler, ["-std=gnu11", "-O2", "-pthread", "-o", draft, source]).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== "ENOENT") throw cause;
    throw new Unavailable(`no C compiler (${compiler}) to build bench/c/${name}.c with`, { cause });
  });
  renameSync(draft, binary);
  return binary;
}

/** A helper at work: its output, and a promise of its exit that rejects with what it complained about. */
export interface Running {
  readonly process: ChildProcess;
  /** Everything it printed, once it has ended well. */
  readonly output: Promise<string>;
  /** Its first line, as soon as it is there. */
  readonly firstLine: Promise<string>;
}

export function start(command: string, args: readonly string[]): Running {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"] });
  let text = "";
  let complaint = "";
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (complaint += chunk));
  const output = new Promise<string>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      if (code === 0) resolve(text);
      else reject(new Error(`${command} ended with ${signal ?? code}: ${complaint.trim()}`));
    });
  });
  const firstLine = new Promise<string>((resolve, reject) => {
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      const end = text.indexOf("\n");
      if (end >= 0) resolve(text.slice(0, end));
    });
    output.catch(reject);
  });
  // A caller that awaits neither must not be ended by an unhandled rejection; awaiting still throws.
  output.catch(() => {});
  firstLine.catch(() => {});
  return { process: child, output, firstLine };
}

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

export interface Runtime {
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
export async function findRuntime(name: "node" | "bun" | "deno"): Promise<Runtime> {
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
