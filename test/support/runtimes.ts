/** The runtimes that the contract tests run on. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { Need } from "./needs.ts";
import { fetchNode, installedProgram } from "./programs.ts";
import { root } from "./root.ts";
import { nodeProgram } from "./self.ts";

export interface Runtime {
  readonly name: string;
  /** The command line that a script and its arguments are appended to. */
  readonly command: readonly [string, ...string[]];
  /** What this runtime is meant to have everywhere: a test that is skipped for the want of it has failed. */
  readonly has: readonly Need[];
}

/** Where a C compiler built the engine, every runtime has to load it. */
const library = join(root, `dist/native/${process.platform}-${process.arch}/libsluice.so`);
const everywhere: readonly Need[] = existsSync(library) ? ["engine", "proc"] : ["proc"];

/** The runtime that runs the tests that are not contract tests. */
export const home: Runtime = { name: "node", command: [process.execPath], has: everywhere };

/** A runtime whose program has yet to be found. */
export interface Candidate extends Pick<Runtime, "name" | "has"> {
  /** Rejects, saying why, where the program can't be had. `fresh` asks for the newest one again. */
  find(fresh?: boolean): Promise<string>;
  readonly options: readonly string[];
}

const node: Candidate = { ...home, find: async () => nodeProgram(), options: [] };
const bun: Candidate = {
  name: "bun",
  find: () => installedProgram("@oven", "bin/bun", "bun/bin/bun.exe"),
  options: [],
  has: everywhere,
};
const deno: Candidate = {
  name: "deno",
  find: () => installedProgram("@deno", "deno", "deno/deno"),
  // Nothing is looked up on the network, and no lock of its own is kept beside npm's.
  options: ["run", "--allow-all", "--no-check", "--no-lock", "--cached-only", "--quiet"],
  has: everywhere,
};
const nodes = [20, 22, 24, 26].map((major): Candidate => ({
  ...node,
  name: `node-${major}`,
  find: (fresh) => fetchNode(major, fresh),
}));

/** Which release line the Node.js is of that runs the tests. */
const homeLine = `node-${Number.parseInt(process.versions.node, 10)}`;

export const candidates: Readonly<Record<"usual" | "lines" | "matrix", readonly Candidate[]>> = {
  usual: [node, bun, deno],
  /** The release lines of Node besides the current one, from 22 on. */
  lines: nodes.filter(({ name }) => name !== homeLine && name !== "node-20"),
  matrix: [...nodes, bun, deno],
};

export const isNode = ({ name }: Candidate): boolean => name.startsWith("node");

export async function locate({ name, find, options, has }: Candidate, fresh?: boolean): Promise<Runtime> {
  return { name, command: [await find(fresh), ...options], has };
}
