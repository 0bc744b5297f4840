/** Which tests are to be run, where, and what has to be built for them. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Limiter } from "../support/limiter.ts";
import { root } from "../support/root.ts";
import { type Candidate, candidates, isNode, locate, type Runtime } from "../support/runtimes.ts";
import { runContract } from "./contract-file.ts";
import { type Verdict, runNative, runPlain } from "./verdict.ts";
import { isLong, nativeLimitMs, ofAll, ofLines, ofNewest, ofRuntimes, plainFolders } from "./selection.ts";

export interface Task {
  readonly name: string;
  /** Whether it is about the components of WASI. */
  readonly needsComponents: boolean;
  run(): Promise<Verdict>;
}

export interface Choice {
  readonly all: boolean;
  readonly lines: boolean;
  readonly matrix: boolean;
  readonly words: readonly string[];
}

type Filter = (name: string) => boolean;

/** Which plain files and which contract tests run on a runtime. */
interface Row {
  readonly candidate: Candidate;
  readonly plain: Filter;
  readonly contract: Filter;
}

const all: Filter = () => true;
const none: Filter = () => false;
const onEachLine: Filter = (name) => ofLines(name) && !ofAll(name);

/** Whether everything is to run that runs anywhere: some files wait for being asked for. */
export const isThorough = ({ all: asked, matrix, words }: Choice): boolean => asked || matrix || words.length > 0;

/** The Node.js that runs this has all the plain files; in the matrix each line has those that it may break. */
function rowsOf(choice: Choice): Row[] {
  const lines = candidates.lines.map((candidate, index, { length }): Row => ({
    candidate,
    plain: isThorough(choice) || index === length - 1 ? onEachLine : (name) => onEachLine(name) && !ofNewest(name),
    contract: ofLines,
  }));
  const matrix = candidates.matrix.map((candidate): Row => ({
    candidate,
    plain: isNode(candidate) ? onEachLine : none,
    contract: all,
  }));
  const usual = candidates.usual.map((candidate, index): Row =>
    index === 0
      ? { candidate, plain: all, contract: all }
      : { candidate, plain: none, contract: isThorough(choice) ? all : ofRuntimes },
  );
  return [...(choice.matrix ? matrix : usual), ...(choice.lines ? lines : [])];
}

/** The tests of a folder by their sources: a name, the source, and what was compiled from it. */
function testsIn(folder: string): { name: string; source: string; compiled: string }[] {
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
function speaksOfWasi(path: string, seen = new Set<string>()): boolean {
  if (seen.has(path)) return false;
  seen.add(path);
  const text = readFileSync(path, "utf8");
  const imported = [...text.matchAll(/"(\.[^"]*\.c?ts)"/g)].map(([, name = ""]) => join(dirname(path), name));
  return /wasi|wasm/i.test(text) || imported.some((file) => existsSync(file) && speaksOfWasi(file, seen));
}

/** The runtimes that tests have asked for. */
export const located = new Map<Candidate, Promise<Runtime>>();

/** Finds a runtime once. The matrix is about the newest releases, and asks for them. */
function find(candidate: Candidate, { matrix }: Choice): Promise<Runtime> {
  const found = located.get(candidate) ?? locate(candidate, matrix || undefined);
  located.set(candidate, found);
  return found;
}

/** The chosen tests. The longest come first, so that the run does not wait for them alone at its end. */
export function* tasksOf(choice: Choice, limit: Limiter): Generator<Task> {
  const { matrix, words } = choice;
  const isWanted: Filter = (name) => words.length === 0 || words.some((word) => name.includes(word));
  const isCalled: Filter = (name) => isThorough(choice) || !isLong(name);

  const native = join(root, "native/test/run.mjs");
  if (!matrix && isWanted("native"))
    yield { name: "native", needsComponents: false, run: () => limit(() => runNative(native, nativeLimitMs)) };

  for (const { candidate, plain, contract } of rowsOf(choice)) {
    const isHome = candidate === candidates.usual[0];
    for (const [folder, limitMs] of Object.entries(plainFolders))
      for (const { name, source, compiled } of testsIn(folder)) {
        const label = isHome ? name : `${name} (${candidate.name})`;
        if (!isWanted(label) || !isCalled(name) || !plain(name)) continue;
        const run = async () => {
          const runtime = await find(candidate, choice);
          return await limit(() => runPlain(compiled, limitMs, runtime));
        };
        yield { name: label, needsComponents: speaksOfWasi(source), run };
      }
    for (const { name, source, compiled } of testsIn("contract")) {
      const label = `${name} (${candidate.name})`;
      // A word with a slash names files alone, which saves asking every file for its tests.
      const isAsked = isWanted(label) || words.some((word) => !word.includes("/"));
      if (!isAsked || !isCalled(name) || !contract(name)) continue;
      const run = async () => {
        const runtime = await find(candidate, choice);
        return await runContract(compiled, runtime, (test) => isWanted(`${label} ${test}`), limit);
      };
      yield { name: label, needsComponents: speaksOfWasi(source), run };
    }
  }
}
