/**
 * Registers contract tests: what every runtime has to do alike. A file of them is run as
 *
 *     FILE --list           prints its tests as JSON
 *     FILE --run NAME ...   runs some of them, one after the other, up to the first that fails, with a line about each
 *
 * Starting a runtime and loading the engine takes longer than most tests do, so the runner gives one process a
 * handful of them. Contract tests use node: modules and `sluice` alone, so that one suite serves every runtime.
 */
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Need, unmet } from "./needs.ts";
import { beginLine, failLine, okLine, skipLine } from "./protocol.ts";

export { assert };

export interface ContractOptions {
  /** What the test needs of machine and runtime; where one is missing, the test is skipped and the reason printed. */
  readonly needs?: readonly Need[];
  /** How long it may do nothing before it is killed (see patience.ts). Default 40,000 ms. */
  readonly timeoutMs?: number;
  /** Whether the test needs a process of its own: for what is the process's and not the test's, such as its first load of the engine. */
  readonly alone?: boolean;
}

/** A line of `--list`. */
export interface Listed {
  readonly name: string;
  readonly needs: readonly Need[];
  readonly timeoutMs: number;
  readonly alone: boolean;
}

type Body = () => void | Promise<void>;

const tests = new Map<string, Listed & { readonly body: Body }>();
let started = false;
/** How many of them share this process. */
let sharing = 1;

/** @throws Error where other tests may have left something behind that is still going away */
export function assertAlone(what: string): void {
  if (sharing > 1) throw new Error(`${what} is for a test with \`alone: true\``);
}

/** Registers a test. Its name is unique in the file; the body must leave nothing that keeps the process alive. */
export function test(name: string, options: ContractOptions, body: Body): void {
  if (started) throw new Error(`Test "${name}" was registered too late: register before the first await`);
  if (tests.has(name)) throw new Error(`There are two tests "${name}"`);
  if (tests.size === 0) setTimeout(main, 0);
  const { needs = [], timeoutMs = 40_000, alone = false } = options;
  tests.set(name, { name, needs, timeoutMs, alone, body });
}

function main(): void {
  started = true;
  const [command, ...names] = process.argv.slice(2);
  if (command === "--list") return list();
  if (command === "--run" && names.length > 0) return run(names);
  console.error("Usage: FILE --list | --run NAME ...");
  process.exitCode = 2;
}

function list(): void {
  const listed = [...tests.values()].map(({ name, needs, timeoutMs, alone }): Listed => ({
    name,
    needs,
    timeoutMs,
    alone,
  }));
  console.log(JSON.stringify(listed));
}

function run(names: readonly string[]): void {
  sharing = names.length;
  const together = suite();
  let failed = false;
  for (const name of names) {
    const found = tests.get(name);
    if (found === undefined) throw new Error(`There is no test "${name}"`);
    together(name, async () => {
      // What a failed test has left behind is nothing to run others in.
      if (failed) return;
      console.log(`\n${beginLine(name)}`);
      const missing = await unmet(found.needs);
      if (missing !== undefined) return console.log(`\n${skipLine(name, missing)}`);
      try {
        await found.body();
        console.log(`\n${okLine(name)}`);
      } catch (error) {
        failed = true;
        console.log(`\n${failLine(name, String(error))}`);
        throw error;
      }
    });
  }
  together.run();
}
