/** The recipes of docs/deployment.md that can be run here: under pm2, Jest and Vitest, and what systemd's hardening comes to. */
import { execFileSync, spawn } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { withProgram } from "../http/support/programs.ts";
import { freePort, isListening } from "../support/ports.ts";
import { root } from "../support/root.ts";
import { home } from "../support/runtimes.ts";
import { tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { fetchTools, runIn } from "./bundlers.ts";
import { buildForArm64, install, pack, succeed } from "./package.ts";

const test = suite("deploy");

await buildForArm64();
const project = await install((await pack()).path);
const [node] = home.command;
const length = 400_000;
writeFileSync(join(project, "film.bin"), Buffer.alloc(length, "film"));
writeFileSync(
  join(project, "server.cjs"),
  `const { createReadStream } = require("node:fs");
const { createServer } = require("node:http");
createServer((request, response) => void createReadStream(__dirname + "/film.bin").pipe(response))
  .listen(Number(process.env.PORT), "127.0.0.1", () => console.log("listening"));
`,
);

/** The app's own word for it, by `sluice doctor --app`. */
async function assertSent(port: number): Promise<void> {
  await waitFor("the app to listen", () => isListening(port));
  const command = [node, "node_modules/.bin/sluice", "doctor", "--json", "--app", `http://127.0.0.1:${port}/film.bin`];
  const { code, stdout, output } = await runIn(project, command);
  assert.is(code, 0, output);
  const { native, strategy, bytes } = JSON.parse(stdout) as Record<string, unknown>;
  assert.equal({ native, strategy, bytes }, { native: true, strategy: "sendfile", bytes: length });
}

/** A folder with what has been fetched, and the package, in its node_modules. */
async function folderWith(name: "pm2" | "runners"): Promise<string> {
  const tools = await fetchTools(name);
  if ("reason" in tools) throw new Error(tools.reason);
  return tools.folder;
}

test("pm2 in cluster mode, by node_args", async () => {
  const pm2 = join(await folderWith("pm2"), "node_modules/.bin/pm2");
  const port = await freePort();
  cpSync(join(root, "examples/deploy/ecosystem.config.cjs"), join(project, "ecosystem.config.cjs"));
  const env = { PM2_HOME: tempFolder(), PORT: String(port) };
  try {
    // In cluster mode it answers when the workers listen.
    const { code, output } = await runIn(project, [node, pm2, "start", "ecosystem.config.cjs"], env);
    assert.is(code, 0, output);
    await assertSent(port);
  } finally {
    const { code, output } = await runIn(project, [node, pm2, "kill"], env);
    assert.is(code, 0, output);
  }
});

const trial = `
  const folder = process.env.TRIAL_FOLDER;
  require("node:fs").writeFileSync(folder + "/from", "x".repeat(1000));
  const { capabilities, transfer } = await import("sluice");
  const { bytes } = await transfer(folder + "/from", folder + "/to");
  expect(bytes).toBe(1000);
  expect(capabilities().engine.ability).toBe("yes");
`;

/** Runs a test of the app under a test runner, in a folder that has both. */
async function runTrial(file: string, source: string, command: readonly string[], env: NodeJS.ProcessEnv) {
  const tools = await folderWith("runners");
  const folder = tempFolder();
  mkdirSync(join(folder, "node_modules"));
  for (const name of ["sluice", "koffi", "@koromix"])
    cpSync(join(project, "node_modules", name), join(folder, "node_modules", name), { recursive: true });
  for (const name of ["jest", "vitest"])
    symlinkSync(join(tools, "node_modules", name), join(folder, "node_modules", name));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true }));
  writeFileSync(join(folder, file), source);
  const [program = "", ...rest] = command;
  const path = join(tools, "node_modules", program);
  const { code, output } = await runIn(folder, [node, ...rest.slice(0, 1), path, ...rest.slice(1)], {
    ...env,
    TRIAL_FOLDER: tempFolder(),
  });
  assert.is(code, 0, output);
  assert.match(output, /1 passed/);
}

test("Jest, with --experimental-vm-modules", () =>
  runTrial(
    "app.test.js",
    `test("the engine moves a file", async () => {${trial}});`,
    ["jest/bin/jest.js", "--experimental-vm-modules", "--ci", "--watchman=false"],
    {},
  ));

test("Vitest, as it is", () =>
  runTrial(
    "app.test.mjs",
    `import { createRequire } from "node:module";
     import { expect, test } from "vitest";
     const require = createRequire(import.meta.url);
     test("the engine moves a file", async () => {${trial}});`,
    ["vitest/vitest.mjs", "--no-warnings", "run"],
    {},
  ));

// systemd itself has to be the first process; here its filter is built from its own lists, and the rest is checked by its tools.

const unit = join(root, "examples/deploy/app.service");

/** Every name of a SystemCallFilter, its groups taken apart. */
function namesOf(filter: string): readonly string[] {
  return filter.split(" ").flatMap((name) => {
    if (!name.startsWith("@")) return [name];
    const lines = execFileSync("systemd-analyze", ["syscall-filter", name], { encoding: "utf8" }).split("\n").slice(1);
    return lines
      .map((line) => line.trim())
      .filter((line) => line !== "" && !line.startsWith("#"))
      .flatMap(namesOf);
  });
}

/** A file of the numbers of system calls, for confined.c. */
function numbersOf(names: readonly string[]): string {
  const macros = execFileSync("cc", ["-dM", "-E", "-include", "sys/syscall.h", "-xc", "/dev/null"], {
    encoding: "utf8",
  });
  const numbers = new Map([...macros.matchAll(/#define __NR_(\w+) (\d+)/g)].map(([, name, number]) => [name, number]));
  // Newer than the headers of Debian 12.
  numbers.set("cachestat", "451");
  const file = join(tempFolder(), "numbers");
  writeFileSync(file, names.flatMap((name) => numbers.get(name) ?? []).join("\n"));
  return file;
}

let confined: string | undefined;
async function buildConfined(): Promise<string> {
  if (confined !== undefined) return confined;
  confined = join(tempFolder(), "confined");
  const flags = ["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-o", confined];
  await succeed("cc", ...flags, join(root, "test/package/confined.c"));
  return confined;
}

const filterOfUnit = () => /^SystemCallFilter=(.*)$/m.exec(readFileSync(unit, "utf8"))?.[1] ?? "";

/** Starts the app under a filter, and has it asked. */
async function serveConfined(filter: string, mdwe: "yes" | "no", ...options: readonly string[]): Promise<void> {
  const port = await freePort();
  const command = [numbersOf(namesOf(filter)), mdwe, node, ...options, "--import", "sluice/register", "server.cjs"];
  const env = { ...process.env, PORT: String(port) };
  const child = spawn(await buildConfined(), command, { cwd: project, env, stdio: ["ignore", "pipe", "inherit"] });
  try {
    await new Promise<void>((resolve, reject) => {
      child.stdout.once("data", () => resolve());
      child.once("exit", (code, signal) => reject(new Error(`the app ended with ${code ?? signal}`)));
    });
    await assertSent(port);
  } finally {
    child.kill();
  }
}

await withProgram(test, "systemd-analyze", "the unit's SystemCallFilter", () => serveConfined(filterOfUnit(), "no"));

await withProgram(test, "systemd-analyze", "@system-service alone", () => serveConfined("@system-service", "no"));

await withProgram(test, "systemd-analyze", "MemoryDenyWriteExecute=yes, with --jitless alone", async () => {
  await serveConfined(filterOfUnit(), "yes", "--jitless");
  const numbers = numbersOf(namesOf(filterOfUnit()));
  const loop = "let sum = 0; for (let i = 0; i < 1e7; i++) sum += i % 7; console.log(sum)";
  const { code } = await runIn(project, [await buildConfined(), numbers, "yes", node, "-e", loop]);
  assert.is.not(code, 0, "Node runs under MemoryDenyWriteExecute: say so in docs/deployment.md");
});

await withProgram(test, "systemd-analyze", "systemd finds no fault in the unit", async () => {
  const copy = join(tempFolder(), "app.service");
  writeFileSync(copy, readFileSync(unit, "utf8").replace("/usr/bin/node", node).replace("/srv/app\n", `${project}\n`));
  const { code, output } = await runIn(project, ["systemd-analyze", "verify", copy]);
  assert.is(code, 0, output);
});

test.run();
