/**
 * Runs every test and ends with the sums on a line of their own.
 *
 *     npm test                        all of them
 *     npm test -- unit/select abort   files and contract tests whose names contain one of the words
 *     npm test -- --all               on every runtime what is the same on all, and everything under TSan
 *     npm test -- --lines             and, on the newest release of every line of Node.js, what leans on its inside
 *     npm run test:matrix             that, and the contract tests, on every runtime and release line
 *
 * Exit code 1 when anything failed or nothing ran.
 */
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { killAll } from "../support/child.ts";
import { limiter } from "../support/limiter.ts";
import { failedOutcome, type FileOutcome } from "./outcome.ts";
import { readVersion } from "../support/programs.ts";
import { root } from "../support/root.ts";
import { runContract } from "./contract-file.ts";
import { runNative } from "./native.ts";
import { runPlain } from "./plain-file.ts";
import { type Candidate, candidates, home, isNode, locate, type Runtime } from "../support/runtimes.ts";
import { isLong, nativeLimitMs, ofAll, ofLines, ofRuntimes, plainFolders } from "./selection.ts";

interface Task {
  readonly name: string;
  run(): Promise<FileOutcome>;
}

const { values: options, positionals: words } = parseArgs({
  allowPositionals: true,
  options: {
    all: { type: "boolean", default: false },
    lines: { type: "boolean", default: false },
    matrix: { type: "boolean", default: false },
  },
});
const everything = options.all || options.matrix || words.length > 0;
// Files that run a command line on several runtimes ask for it, and so do the C tests.
if (everything) process.env["SLUICE_TEST_ALL"] = "1";
const wanted = (name: string) => words.length === 0 || words.some((word) => name.includes(word));
// Two more than there are cores: many tests wait for peers and time-outs.
const limit = limiter(Math.min(6, Math.max(2, availableParallelism()) + 2));

/** The tests of a folder by their sources, so that a file left over from an earlier build is not run. */
function testsIn(folder: string): { name: string; compiled: string }[] {
  const sources = join(root, "test", folder);
  if (!existsSync(sources)) return [];
  return readdirSync(sources, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".test.ts"))
    .sort()
    .map((path) => ({
      name: `${folder}/${path.slice(0, -".test.ts".length)}`,
      compiled: join(root, "build/test", folder, path.replace(/\.ts$/, ".js")),
    }));
}

const located = new Map<Candidate, Promise<Runtime>>();

/** Finds a runtime once. The matrix is about the newest releases, and asks for them. */
function find(candidate: Candidate): Promise<Runtime> {
  const found = located.get(candidate) ?? locate(candidate, options.matrix || undefined);
  located.set(candidate, found);
  return found;
}

/** The plain files on the Node.js that runs this, or on the one of a release line. */
function* plainTasks(candidate?: Candidate): Generator<Task> {
  for (const [folder, limitMs] of Object.entries(plainFolders))
    for (const { name, compiled } of testsIn(folder)) {
      const label = candidate === undefined ? name : `${name} (${candidate.name})`;
      if (!wanted(label) || (!everything && isLong(name))) continue;
      if (candidate !== undefined && (!ofLines(name) || ofAll(name))) continue;
      const run = async () => {
        const runtime = candidate === undefined ? home : await find(candidate);
        return await limit(() => runPlain(compiled, limitMs, runtime));
      };
      yield { name: label, run };
    }
}

/** The contract tests that `chosen` picks. */
function* contractTasks(candidate: Candidate, chosen = (_name: string) => true): Generator<Task> {
  for (const { name, compiled } of testsIn("contract")) {
    if (!chosen(name) || (!everything && isLong(name))) continue;
    const label = `${name} (${candidate.name})`;
    // A word with a slash names files alone, which saves asking every file for its tests.
    if (!wanted(label) && words.every((word) => word.includes("/"))) continue;
    const run = async () => {
      const runtime = await find(candidate);
      return await runContract(compiled, runtime, (test) => wanted(`${label} ${test}`), limit);
    };
    yield { name: label, run };
  }
}

function* nativeTasks(): Generator<Task> {
  const native = join(root, "native/test/run.mjs");
  if (existsSync(native) && wanted("native"))
    yield { name: "native", run: () => limit(() => runNative(native, nativeLimitMs)) };
}

function* usualTasks(): Generator<Task> {
  const [first, ...others] = candidates.usual;
  // The longest first, that it is not what everybody waits for.
  yield* nativeTasks();
  yield* plainTasks();
  if (first !== undefined) yield* contractTasks(first);
  for (const other of others) yield* contractTasks(other, everything ? undefined : ofRuntimes);
}

/** The newest release of every other line of Node.js, and what leans on its inside. */
function* lineTasks(): Generator<Task> {
  for (const line of candidates.lines) {
    yield* plainTasks(line);
    yield* contractTasks(line, ofLines);
  }
}

function* matrixTasks(): Generator<Task> {
  for (const candidate of candidates.matrix) {
    if (isNode(candidate)) yield* plainTasks(candidate);
    yield* contractTasks(candidate);
  }
}

const tasks = [...(options.matrix ? matrixTasks() : usualTasks()), ...(options.lines ? lineTasks() : [])];

/** Which versions the tests ran on. */
async function toldVersions(): Promise<string> {
  const told = [...located].map(async ([{ name }, finding]) => {
    const version = finding.then(({ command }) => readVersion(command[0]));
    // Why it could not be had is told by each of the tests that wanted it.
    return `${name} ${await version.catch(() => "not found")}`;
  });
  // The matrix has a release of this one's line.
  const own = options.matrix ? [] : [`${home.name} ${process.versions.node}`];
  return [...new Set([...own, ...(await Promise.all(told))])].join(", ");
}

const sums = { passed: 0, failed: 0, skipped: 0 };

async function perform({ name, run }: Task): Promise<void> {
  const { passed, failed, failures, skips, durationMs, output } = await run().catch((error: unknown) =>
    failedOutcome(String(error)),
  );
  sums.passed += passed;
  sums.failed += failed;
  sums.skipped += skips.length;
  if (passed + failed + skips.length === 0) return;
  const counts = [`${passed} passed`, failed > 0 && `${failed} FAILED`, skips.length > 0 && `${skips.length} skipped`];
  console.log(`${name.padEnd(40)} ${counts.filter(Boolean).join(", ")}  ${durationMs} ms`);
  for (const skip of skips) console.log(`  skipped ${skip.name}: ${skip.reason}`);
  for (const failure of failures) console.log(`  FAILED ${failure}`);
  if (output !== "") console.log(output.trimEnd().replaceAll(/^/gm, "  | "));
}

// Tests that are killed can't tidy up: what they leave lies in here.
const temporary = mkdtempSync(join(tmpdir(), "sluice-run-"));
// Tests that give up root still have to get in.
chmodSync(temporary, 0o755);
process.env["TMPDIR"] = temporary;
process.on("exit", () => rmSync(temporary, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => {
    killAll();
    process.exit(1);
  });

await Promise.all(tasks.map(perform));
if (sums.passed + sums.failed === 0) console.log("No test ran.");
console.log(`\nTested on ${await toldVersions()}.`);
process.exitCode = sums.failed > 0 || sums.passed === 0 ? 1 : 0;
console.log(`\n${sums.passed} passed, ${sums.failed} failed${sums.skipped > 0 ? `, ${sums.skipped} skipped` : ""}`);
