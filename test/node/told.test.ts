/** Without the engine one clear cause is told: by capabilities(), by the warning of sluice/register, and to debuggers. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runChild } from "../support/child.ts";
import { root } from "../support/root.ts";
import { type Candidate, candidates, isNode, locate } from "../support/runtimes.ts";
import { tempFolder } from "../support/temp.ts";

const test = suite("told");

const folder = tempFolder();
const here = (name: string) => fileURLToPath(new URL(`support/${name}.js`, import.meta.url));
const platform = `${process.platform}-${process.arch}`;
const library = join(root, `dist/native/${platform}/libsluice.so`);

function written(name: string, bytes: Uint8Array | string): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

/** The library with EI_CLASS, its fifth byte, of 32 bits (elf(5)). */
const of32Bits = written("class32.so", readFileSync(library).fill(1, 4, 5));
const text = written("text.so", "This is no ELF file, whatever its name says, and longer than the head of one is.");
const missing = join(folder, "missing.so");
/** A library that has none of our symbols: the C library that this process itself has mapped. */
const [libc = ""] = /\/\S+\/libc[.-]\S+/.exec(readFileSync("/proc/self/maps", "utf8")) ?? [];

/** Stable since Node 23.5. */
const permission = process.allowedNodeEnvironmentFlags.has("--permission")
  ? "--permission"
  : "--experimental-permission";

interface Lack {
  readonly cause: string;
  readonly flags?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

const off = (name: string): Lack => ({ cause: `switched off by ${name}=1`, env: { [name]: "1" } });
const unfit = (path: string, words: string): Lack => ({
  cause: `${path} can't be loaded: ${words}`,
  env: { SLUICE_LIBRARY: path },
});

const everywhere: readonly Lack[] = [
  off("SLUICE_DISABLE"),
  off("SLUICE_DISABLE_NATIVE"),
  unfit(missing, "there is no such file"),
  unfit(text, "it is no shared library"),
  unfit(folder, "it is no shared library"),
  unfit(of32Bits, "it is for another architecture"),
  unfit(libc, "it is not sluice's, or of another version"),
];

const ofNode: readonly Lack[] = [
  {
    cause: "koffi is not installed (npm was told --omit=optional, or the like)",
    flags: ["--import", here("without-koffi")],
  },
  {
    cause: `koffi's native part for ${platform} is not installed (npm was told --omit=optional, or a bundle left it behind)`,
    flags: ["--import", here("without-koffi-native")],
  },
  {
    cause: "there is no library for linux-ia32",
    flags: ["--import", here("as-ia32")],
  },
  { cause: "Node was started with --no-addons", flags: ["--no-addons"] },
  { cause: "Node's permission model forbids addons (--allow-addons)", flags: [permission, "--allow-fs-read=*"] },
];

const preloadFlag = (candidate: Candidate) => (isNode(candidate) ? "--import" : "--preload");
const registering = (candidate: Candidate) => [
  preloadFlag(candidate),
  join(root, `dist/lib/${candidate.name}/register.js`),
];

/** What the process says of itself, and the lines that the library writes beside that. */
async function run(command: readonly [string, ...string[]], env: NodeJS.ProcessEnv = {}) {
  const { code, stdout, output } = await runChild(command, 20_000, { ...process.env, ...env });
  assert.is(code, 0, output);
  const told = output.split("\n").filter((line) => /sluice/i.test(line) && !stdout.includes(line));
  return { stdout, output, told };
}

const lacking = { SLUICE_LIBRARY: missing };

const isWarning = (line: string): boolean => line.includes("[SLUICE_PORTABLE] SluiceWarning: ");

for (const candidate of candidates.usual) {
  const { name } = candidate;
  const { command } = await locate(candidate);
  const app = here("engine");

  for (const { cause, flags = [], env } of isNode(candidate) ? [...everywhere, ...ofNode] : everywhere)
    test(`one cause is told once to each (${name}): ${cause}`, async () => {
      const debugging = { ...env, SLUICE_DEBUG: "1" };
      const { stdout, told, output } = await run([...command, ...flags, ...registering(candidate), app], debugging);
      assert.equal(JSON.parse(stdout), { ability: "no", reason: cause, available: false });
      // Who has switched it off is not warned.
      const warnings = cause.startsWith("switched off") ? 0 : 1;
      assert.is(told.filter((line) => isWarning(line) && line.endsWith(cause)).length, warnings, output);
      assert.is(told.filter((line) => line === `sluice: there is no engine: ${cause}`).length, 1, output);
      assert.is(told.length, 1 + warnings, output);
    });

  const quiet = { ...off("SLUICE_DISABLE").env };

  test(`the import of sluice alone warns of nothing (${name})`, async () => {
    assert.equal((await run([...command, app], quiet)).told, []);
  });

  test(`NODE_DEBUG names the section as util.debuglog() does (${name})`, async () => {
    for (const NODE_DEBUG of ["sluice", "http,SLUICE", "slu*"]) {
      const { told, output } = await run([...command, app], { ...quiet, NODE_DEBUG });
      assert.is(told.length, 1, output);
      assert.match(told[0] ?? "", /^SLUICE \d+: there is no engine: switched off by SLUICE_DISABLE=1$/);
    }
    assert.equal((await run([...command, app], { ...quiet, NODE_DEBUG: "sluicegate,(" })).told, []);
  });

  test(`with the engine nothing is told (${name})`, async () => {
    const { told } = await run([...command, ...registering(candidate), app], { SLUICE_DEBUG: "1" });
    assert.equal(told, []);
  });

  if (name !== "deno")
    test(`--no-warnings silences the warning (${name})`, async () => {
      assert.equal((await run([...command, "--no-warnings", ...registering(candidate), app], lacking)).told, []);
    });
}

test("workers of node:cluster and of node:worker_threads leave the warning to their process", async () => {
  const [node] = candidates.usual;
  assert.ok(node);
  const command = [process.execPath, ...registering(node), here("cluster-engine")] as const;
  const { told, output } = await run([...command], lacking);
  assert.is(told.filter(isWarning).length, 1, output);
});

test("an app that ends at once is warned", async () => {
  const [node] = candidates.usual;
  assert.ok(node);
  for (const flag of ["--import", "--require"]) {
    // require() of modules that are ESM: Node 20.19, 22.12.
    const [, register = ""] = registering(node);
    const { told, output } = await run([process.execPath, flag, register, "-e", "0"], lacking);
    assert.is(told.filter(isWarning).length, 1, output);
  }
});

test("Deno without --allow-ffi is told which flag it wants", async () => {
  const deno = candidates.usual.find(({ name }) => name === "deno");
  assert.ok(deno);
  const [program, ...options] = (await locate(deno)).command;
  const narrow = [...options.filter((option) => option !== "--allow-all"), "--no-prompt", "--allow-read"];
  const { stdout, told } = await run([program, ...narrow, ...registering(deno), here("engine")]);
  const { reason } = JSON.parse(stdout) as { readonly reason: string };
  assert.is(reason, `Deno was started without --allow-ffi for ${library}`);
  assert.is(told.filter((line) => isWarning(line) && line.endsWith(reason)).length, 1);
});

test.run();
