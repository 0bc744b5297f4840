/** Which tests are to be run, where, and what has to be built for them. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Limiter } from "../support/limiter.ts";
import { root } from "../support/root.ts";
import { type Candidate, candidates, home, isNode, locate, type Runtime } from "../support/runtimes.ts";
import { runContract } from "./contract-file.ts";
import { runNative } from "./native.ts";
import type { FileOutcome } from "./outcome.ts";
import { runPlain } from "./plain-file.ts";
import { isLong, nativeLimitMs, ofAll, ofLines, ofRuntimes, plainFolders } from "./selection.ts";

export interface Task {
  readonly name: string;
  /** Whether it is about the components of WASI. */
  readonly needsComponents: boolean;
  run(): Promise<FileOutcome>;
}

export interface Choice {
  readonly all: boolean;
  readonly lines: boolean;
  readonly matrix: boolean;
  readonly words: readonly string[];
}

interface TestFile {
  readonly name: string;
  readonly source: string;
  readonly compiled: string;
}

/** The tests of a folder by their sources. */
function testsIn(folder: string): TestFile[] {
  const sources = join(root, "test", folder);
  if (!existsSync(sources)) return [];
  return readdirSync(sources, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".test.ts"))
    .sort()
    .map((path) => ({
      name: `${folder}/${path.slice(0, -".test.ts".length)}`,
      source: join(sources, path),
      compiled: join(root, "build/test", folder, path.replace(/\.ts$/, ".js")),
    }));
}

/** Whether a test, or what it imports of the tests' own, speaks of WASI. */
function needsComponents(path: string, seen = new Set<string>()): boolean {
  if (seen.has(path)) return false;
  seen.add(path);
  const text = readFileSync(path, "utf8");
  const imported = [...text.matchAll(/"(\.[^"]*\.c?ts)"/g)].map(([, name = ""]) => join(dirname(path), name));
  return /wasi|wasm/i.test(text) || imported.some((file) => existsSync(file) && needsComponents(file, seen));
}

/** Whether everything is to run that runs anywhere: some files wait for being asked for. */
export const isThorough = ({ all, matrix, words }: Choice): boolean => all || matrix || words.length > 0;

export class Tasks {
  readonly #choice: Choice;
  readonly #limit: Limiter;
  /** The runtimes that tests asked for. */
  readonly located = new Map<Candidate, Promise<Runtime>>();

  constructor(choice: Choice, limit: Limiter) {
    this.#choice = choice;
    this.#limit = limit;
  }

  /** The chosen ones. The longest come first, that it is not them that everybody waits for. */
  *chosen(): Generator<Task> {
    if (this.#choice.matrix) yield* this.#matrix();
    else yield* this.#usual();
    if (this.#choice.lines) yield* this.#lines();
  }

  *#usual(): Generator<Task> {
    const [first, ...others] = candidates.usual;
    yield* this.#native();
    yield* this.#plain();
    if (first !== undefined) yield* this.#contract(first);
    for (const other of others) yield* this.#contract(other, isThorough(this.#choice) ? undefined : ofRuntimes);
  }

  /** The newest release of every other line of Node.js, and what leans on its inside. */
  *#lines(): Generator<Task> {
    for (const line of candidates.lines) {
      yield* this.#plain(line);
      yield* this.#contract(line, ofLines);
    }
  }

  *#matrix(): Generator<Task> {
    for (const candidate of candidates.matrix) {
      if (isNode(candidate)) yield* this.#plain(candidate);
      yield* this.#contract(candidate);
    }
  }

  *#native(): Generator<Task> {
    const native = join(root, "native/test/run.mjs");
    if (existsSync(native) && this.#isWanted("native"))
      yield {
        name: "native",
        needsComponents: false,
        run: () => this.#limit(() => runNative(native, nativeLimitMs)),
      };
  }

  /** The plain files on the Node.js that runs this, or on the one of a release line. */
  *#plain(candidate?: Candidate): Generator<Task> {
    for (const [folder, limitMs] of Object.entries(plainFolders))
      for (const { name, source, compiled } of testsIn(folder)) {
        const label = candidate === undefined ? name : `${name} (${candidate.name})`;
        if (!this.#isWanted(label) || this.#waits(name)) continue;
        if (candidate !== undefined && (!ofLines(name) || ofAll(name))) continue;
        const run = async () => {
          const runtime = candidate === undefined ? home : await this.#find(candidate);
          return await this.#limit(() => runPlain(compiled, limitMs, runtime));
        };
        yield { name: label, needsComponents: needsComponents(source), run };
      }
  }

  /** The contract tests that `isChosen` picks. */
  *#contract(candidate: Candidate, isChosen = (_name: string) => true): Generator<Task> {
    for (const { name, source, compiled } of testsIn("contract")) {
      if (!isChosen(name) || this.#waits(name)) continue;
      const label = `${name} (${candidate.name})`;
      // A word with a slash names files alone, which saves asking every file for its tests.
      if (!this.#isWanted(label) && this.#choice.words.every((word) => word.includes("/"))) continue;
      const run = async () => {
        const runtime = await this.#find(candidate);
        return await runContract(compiled, runtime, (test) => this.#isWanted(`${label} ${test}`), this.#limit);
      };
      yield { name: label, needsComponents: needsComponents(source), run };
    }
  }

  #isWanted(name: string): boolean {
    const { words } = this.#choice;
    return words.length === 0 || words.some((word) => name.includes(word));
  }

  #waits(name: string): boolean {
    return isLong(name) && !isThorough(this.#choice);
  }

  /** Finds a runtime once. The matrix is about the newest releases, and asks for them. */
  #find(candidate: Candidate): Promise<Runtime> {
    const found = this.located.get(candidate) ?? locate(candidate, this.#choice.matrix || undefined);
    this.located.set(candidate, found);
    return found;
  }
}
