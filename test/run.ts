/**
 * Runs every test and ends with the sums on a line of their own.
 *
 *     npm test                        all of them
 *     npm test -- unit/select abort   files and contract tests whose names contain one of the words
 *     npm test -- --all               on every runtime what is the same on all, and everything under TSan
 *     npm run test:matrix             the contract tests alone, on every runtime and release line
 *
 * Exit code 1 when anything failed or nothing ran.
 */
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { killAll } from "./support/child.ts";
import { limiter } from "./support/limiter.ts";
import { failedOutcome, type FileOutcome } from "./support/outcome.ts";
import { root } from "./support/root.ts";
import { runContract } from "./support/run-contract.ts";
import { runNative } from "./support/run-native.ts";
import { runPlain } from "./support/run-plain.ts";
import { type Candidate, candidates, locate, type Runtime } from "./support/runtimes.ts";

interface Task {
  readonly name: string;
  run(): Promise<FileOutcome>;
}

/** Folders of plain uvu files, and how long a file may take. */
const plainFolders = {
  unit: 120_000,
  node: 120_000,
  cli: 120_000,
  http: 180_000,
  bench: 240_000,
  package: 300_000,
} as const;
/** One sanitizer, and all three with every test. */
const nativeTimeoutMs = { usual: 420_000, everything: 1_800_000 } as const;

const { values: options, positionals: words } = parseArgs({
  allowPositionals: true,
  options: { matrix: { type: "boolean", default: false }, all: { type: "boolean", default: false } },
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

function* plainTasks(): Generator<Task> {
  for (const [folder, timeoutMs] of Object.entries(plainFolders))
    for (const { name, compiled } of testsIn(folder))
      if (wanted(name) && (everything || !longTests.has(name)))
        yield { name, run: () => limit(() => runPlain(compiled, timeoutMs)) };
}

/**
 * Contract tests of what a runtime adds: its descriptors, sockets, Workers and memory. The others speak of core, the engine and
 * the kernel, which are the same everywhere: without `--all` or words one runtime runs those, so that `npm test` takes minutes.
 */
const runtimeTests = new Set(
  [
    "abort",
    "descriptors",
    "fleet",
    "map",
    "one-reader",
    "proxy",
    "ring",
    "socket-sources",
    "streams-to-socket",
    "wasi",
    "workers",
  ].map((name) => `contract/${name}`),
);

/** Long, and about filesystems or this very program: with `--all` or words. */
const longTests = new Set(["contract/cache", "contract/copy-file-blocks", "contract/large-files", "unit/runner"]);

function* contractTasks(candidate: Candidate): Generator<Task> {
  let located: Promise<Runtime> | undefined;
  const sparing = !everything && candidate !== candidates.usual[0];
  for (const { name, compiled } of testsIn("contract")) {
    if (sparing && !runtimeTests.has(name)) continue;
    if (!everything && longTests.has(name)) continue;
    const label = `${name} (${candidate.name})`;
    // A word with a slash names files alone, which saves asking every file for its tests.
    if (!wanted(label) && words.every((word) => word.includes("/"))) continue;
    const run = async () => {
      located ??= locate(candidate);
      return await runContract(compiled, await located, (test) => wanted(`${label} ${test}`), limit);
    };
    yield { name: label, run };
  }
}

function* nativeTasks(): Generator<Task> {
  const native = join(root, "native/test/run.mjs");
  if (existsSync(native) && wanted("native"))
    yield {
      name: "native",
      run: () => limit(() => runNative(native, nativeTimeoutMs[everything ? "everything" : "usual"])),
    };
}

const tasks = options.matrix
  ? candidates.matrix.flatMap((candidate) => [...contractTasks(candidate)])
  : // The longest first, that it is not what everybody waits for.
    [...nativeTasks(), ...plainTasks(), ...candidates.usual.flatMap((candidate) => [...contractTasks(candidate)])];

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
process.exitCode = sums.failed > 0 || sums.passed === 0 ? 1 : 0;
console.log(`\n${sums.passed} passed, ${sums.failed} failed${sums.skipped > 0 ? `, ${sums.skipped} skipped` : ""}`);
