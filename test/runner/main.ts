/**
 * Runs every test and ends with the sums on a line of their own. What has changed is built before (.ci/build/test.mjs).
 *
 *     npm test                        all of them
 *     npm test -- unit/select abort   files and contract tests whose names contain one of the words
 *     npm test -- --all               on every runtime what is the same on all, and everything under TSan
 *     npm test -- --lines             and, on the newest release of every line of Node.js, what leans on its inside
 *     npm run test:matrix             that, and the contract tests, on every runtime and release line
 *
 * Exit code 1 when anything failed or nothing ran.
 */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { killAll } from "../support/child.ts";
import { limiter } from "../support/limiter.ts";
import { readVersion } from "../support/programs.ts";
import { home } from "../support/runtimes.ts";
import { failedVerdict } from "./verdict.ts";
import { isThorough, located, type Task, tasksOf } from "./tasks.ts";

const { values: options, positionals: words } = parseArgs({
  allowPositionals: true,
  options: {
    all: { type: "boolean", default: false },
    lines: { type: "boolean", default: false },
    matrix: { type: "boolean", default: false },
  },
});
const choice = { ...options, words };
// Two more than there are cores: many tests wait for peers and time-outs.
const limit = limiter(Math.min(6, Math.max(2, availableParallelism()) + 2));

/** Which versions the tests ran on. */
async function versions(): Promise<string> {
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
    failedVerdict(String(error)),
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

/** What all tests find: a folder for temporary files, which goes with this process, and what was asked for. */
function prepare(): void {
  // Tests that are killed can't tidy up: what they leave lies in here.
  const temporary = mkdtempSync(join(tmpdir(), "sluice-run-"));
  // Tests that give up root still have to get in.
  chmodSync(temporary, 0o755);
  process.env["TMPDIR"] = temporary;
  // Files that run a command line on several runtimes ask for it, and so do the C tests.
  if (isThorough(choice)) process.env["SLUICE_TEST_ALL"] = "1";
  process.on("exit", () => rmSync(temporary, { recursive: true, force: true }));
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, () => {
      killAll();
      process.exit(1);
    });
}

/** Runs what the command line asks for. `update` builds what has changed, up to a step of the build. */
export async function runTests(update: (step: "components") => Promise<void>): Promise<void> {
  const chosen = [...tasksOf(choice, limit)];
  // They take seconds, which a test of something else need not wait for.
  if (chosen.some(({ needsComponents }) => needsComponents)) await update("components");
  prepare();
  await Promise.all(chosen.map(perform));
  if (sums.passed + sums.failed === 0) console.log("No test ran.");
  console.log(`\nTested on ${await versions()}.`);
  process.exitCode = sums.failed > 0 || sums.passed === 0 ? 1 : 0;
  console.log(`\n${sums.passed} passed, ${sums.failed} failed${sums.skipped > 0 ? `, ${sums.skipped} skipped` : ""}`);
}
