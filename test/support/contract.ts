/**
 * Registers contract tests: what every runtime has to do alike. A file of them is run as
 *
 *     FILE --list          prints its tests as JSON
 *     FILE --only NAME     runs one of them in this process and prints one line about it
 *
 * and the runner gives every test a process of its own. Contract tests use node: modules and
 * `sluice` alone, so that one suite serves every runtime.
 */
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Need, unmet } from "./needs.ts";
import { failLine, okLine, skipLine } from "./protocol.ts";

export { assert };

export interface ContractOptions {
  /** What the test needs of machine and runtime; where one is missing, the test is skipped and the reason printed. */
  readonly needs?: readonly Need[];
  /** When the process is killed. Default 20,000 ms. */
  readonly timeoutMs?: number;
}

/** A line of `--list`. */
export interface Listed {
  readonly name: string;
  readonly needs: readonly Need[];
  readonly timeoutMs: number;
}

type Body = () => void | Promise<void>;

const tests = new Map<string, Listed & { readonly body: Body }>();
let started = false;

/** Registers a test. Its name is unique in the file; the body must leave nothing that keeps the process alive. */
export function test(name: string, options: ContractOptions, body: Body): void {
  if (started) throw new Error(`Test "${name}" was registered too late: register before the first await`);
  if (tests.has(name)) throw new Error(`There are two tests "${name}"`);
  if (tests.size === 0) setTimeout(main, 0);
  tests.set(name, { name, needs: options.needs ?? [], timeoutMs: options.timeoutMs ?? 20_000, body });
}

async function main(): Promise<void> {
  started = true;
  const [command, name] = process.argv.slice(2);
  if (command === "--list") return list();
  if (command === "--only" && name !== undefined) return only(name);
  console.error("Usage: FILE --list | --only NAME");
  process.exitCode = 2;
}

function list(): void {
  const listed = [...tests.values()].map(({ name, needs, timeoutMs }): Listed => ({ name, needs, timeoutMs }));
  console.log(JSON.stringify(listed));
}

async function only(name: string): Promise<void> {
  const found = tests.get(name);
  if (found === undefined) throw new Error(`There is no test "${name}"`);
  const missing = await unmet(found.needs);
  if (missing !== undefined) return console.log(skipLine(name, missing));
  let line = failLine(name, "it did not run");
  const alone = suite();
  alone(name, async () => {
    try {
      await found.body();
      line = okLine(name);
    } catch (error) {
      line = failLine(name, String(error));
      throw error;
    }
  });
  alone.after(() => console.log(`\n${line}`));
  alone.run();
}
