/** How a contract test starts another script on the runtime that it runs on itself. */
import process from "node:process";
import type { Runtime } from "./runtimes.ts";

const variable = "SLUICE_TEST_COMMAND";
const nodeVariable = "SLUICE_TEST_NODE";

/** The environment of a test, in which it finds its own command line: process.execPath alone may lack options.
 * Deno looks for newer versions of itself on the network unless it is told not to. */
export function tellCommand({ command }: Runtime): NodeJS.ProcessEnv {
  return {
    ...process.env,
    DENO_NO_UPDATE_CHECK: "1",
    [variable]: JSON.stringify(command),
    [nodeVariable]: process.execPath,
  };
}

/** The Node.js that runs the tests, also where this is another runtime. */
export function nodeProgram(): string {
  return process.env[nodeVariable] ?? process.execPath;
}

/** The command line that a script and its arguments are appended to. */
export function ownCommand(): readonly [string, ...string[]] {
  const told = process.env[variable];
  return told === undefined ? [process.execPath, ...process.execArgv] : (JSON.parse(told) as [string, ...string[]]);
}
