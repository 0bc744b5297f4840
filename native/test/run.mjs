// Builds the C tests with the engine's sources, and runs them: under ASan and UBSan, or plainly where the compiler has none.
// node native/test/run.mjs [plain | memory | threads ...] [--all] [part of a test's name ...]
// Words ask for every variant, and --all for every test of them.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { filesIn, root } from "../../.ci/build/files.mjs";
import { cFlags, compileAll, findCompiler, link, testFlags } from "../toolchain.mjs";
import { faultsOfOrder } from "./order.mjs";

const variants = {
  plain: { flags: ["-O2", "-g"], env: {} },
  memory: {
    flags: ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"],
    env: { ASAN_OPTIONS: "exitcode=99:detect_stack_use_after_return=1", LSAN_OPTIONS: "exitcode=98" },
  },
  threads: {
    flags: ["-O1", "-g", "-fsanitize=thread", "-fno-omit-frame-pointer"],
    env: { TSAN_OPTIONS: "exitcode=97:halt_on_error=1:second_deadlock_stack=1:atexit_sleep_ms=20" },
    // It is five times as slow as the others: without words, the tests in which threads meet.
    usual: [
      "thread",
      "race",
      "moment",
      "any time",
      "cancel",
      "clos",
      "at once",
      "many",
      "abandon",
      "stopped",
      "killed",
    ],
  },
};

const folder = "build/native";
const engine = filesIn(["native/src"], /\.c$/);
const sources = [...engine, ...filesIn(["native/test"], /\.c$/)];

const tally = { passed: 0, failed: 0, skipped: 0 };

function record(kind, line) {
  tally[kind]++;
  console.log(line);
}

function finish() {
  const skipped = tally.skipped > 0 ? `, ${tally.skipped} skipped` : "";
  if (tally.passed + tally.failed + tally.skipped === 0) record("failed", "not ok: no test ran");
  console.log(`${tally.passed} passed, ${tally.failed} failed${skipped}`);
  process.exit(tally.failed > 0 ? 1 : 0);
}

/** Whether a program built with these flags runs: sanitizers' runtimes come in packages of their own. */
function works([command, ...words], flags, scratch) {
  const program = join(scratch, "probe");
  writeFileSync(`${program}.c`, "int main(void) { return 0; }\n");
  const args = [...words, ...flags, `${program}.c`, "-o", program];
  return spawnSync(command, args).status === 0 && spawnSync(program).status === 0;
}

const outcomes = [
  [/^ok (.*)$/, "passed"],
  [/^not ok (.*)$/, "failed"],
  [/^skip (.*)$/, "skipped"],
];

/** Runs a variant's program; it must say at its end how many tests it ran. */
async function run(variant, filters, scratch) {
  const child = spawn(join(root, folder, variant), filters, {
    cwd: scratch,
    env: { ...process.env, ...variants[variant].env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const closed = once(child, "close");
  let seen = 0;
  let announced;
  for await (const line of createInterface({ input: child.stdout })) {
    const [, kind] = outcomes.find(([pattern]) => pattern.test(line)) ?? [];
    if (kind !== undefined) {
      seen++;
      record(kind, line.replace(/^(ok|not ok|skip) /, `$1 [${variant}] `));
    } else if (/^end \d+$/.test(line)) announced = Number(line.slice(4));
    else console.log(line);
  }
  const [status, signal] = await closed;
  if (announced !== seen || status > 1 || signal)
    record("failed", `not ok [${variant}]: ended early (status ${status}, signal ${signal}) after ${seen} tests`);
  else if (seen === 0 && filters.length === 0) record("failed", `not ok [${variant}]: no test ran`);
}

async function build(compiler, variant) {
  const command = [...compiler, ...cFlags, ...testFlags, ...variants[variant].flags];
  const objects = await compileAll(command, sources, `${folder}/${variant}-objects`);
  const linked = objects && (await link(command, objects, `${folder}/${variant}`, `${folder}/${variant}.seal`));
  return linked ? objects : undefined;
}

/** The engine's objects have to keep an order among them. */
function checkOrder(objects) {
  const name = "no file of the engine calls one above it, and mechanisms know neither lock nor tables";
  const faults = faultsOfOrder(objects.slice(0, engine.length));
  if (faults === undefined) record("skipped", `skip ${name}: there is no nm`);
  else if (faults.length === 0) record("passed", `ok ${name}`);
  else record("failed", `not ok ${name}: ${faults.join("; ")}`);
}

const args = process.argv.slice(2).filter((arg) => arg !== "--all");
const filters = args.filter((arg) => !Object.hasOwn(variants, arg));
const named = args.filter((arg) => Object.hasOwn(variants, arg));
const all = process.argv.includes("--all") || process.env.SLUICE_TEST_ALL === "1";
const everything = named.length === 0 && (all || filters.length > 0);

if (process.platform !== "linux") {
  record("skipped", `skip native: the library is for Linux, this is ${process.platform}`);
  finish();
}
const compiler = findCompiler();
if (compiler === undefined) {
  record("skipped", "skip native: no C compiler ($CC, cc, gcc or clang)");
  finish();
}

await import("../header.mjs");
mkdirSync(join(root, folder), { recursive: true });
const scratch = mkdtempSync(join(root, folder, "scratch-"));
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));

const wanted = named.length > 0 ? named : everything ? Object.keys(variants) : ["memory"];
const usable = wanted.filter((variant) => works(compiler, variants[variant].flags, scratch));
for (const variant of wanted.filter((each) => !usable.includes(each)))
  record("skipped", `skip [${variant}]: this compiler has no ${variants[variant].flags.at(2)}`);
if (usable.length === 0 && named.length === 0) usable.push("plain");

const built = await Promise.all(usable.map((variant) => build(compiler, variant)));
const objects = built.find((each) => each !== undefined);
if (objects !== undefined && filters.length === 0) checkOrder(objects);
for (const [index, variant] of usable.entries()) {
  const chosenTests = filters.length > 0 || all ? filters : (variants[variant].usual ?? []);
  if (built[index]) await run(variant, chosenTests, scratch);
  else record("failed", `not ok [${variant}]: does not compile`);
}
finish();
