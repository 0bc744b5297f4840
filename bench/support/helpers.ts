/** The C helpers, compiled when they are first wanted. */
import { execFile, type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, renameSync, statSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Something that this machine lacks; its rows are shown with the reason instead of a figure. */
export class Unavailable extends Error {}

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
  // Others may be at it too, and nobody may run half of one.
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
  // Whoever awaits neither must not be ended by an unhandled rejection; awaiting still throws.
  output.catch(() => {});
  firstLine.catch(() => {});
  return { process: child, output, firstLine };
}
