/** The runtimes that the contract tests run on. */
import process from "node:process";
import type { Need } from "./needs.ts";

export interface Runtime {
  readonly name: string;
  /** The command line that a script and its arguments are appended to. */
  readonly command: readonly [string, ...string[]];
  /** What this runtime is meant to have everywhere: a test that is skipped for the want of it has failed. */
  readonly has: readonly Need[];
}

/** The runtime that runs the tests that are not contract tests. */
export const home: Runtime = { name: "node", command: [process.execPath], has: ["engine", "proc"] };

export const runtimes: readonly Runtime[] = [home];
