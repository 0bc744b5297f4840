/** The command under `jco run`, and the example guest, as their users run them. */
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runChild } from "../support/child.ts";
import { root } from "../support/root.ts";
import { tempFolder } from "../support/temp.ts";

const test = suite("wasi-programs");
const timeoutMs = 100_000;

test("jco run copies with command.wasm", async () => {
  const folder = tempFolder();
  const [from, to] = [join(folder, "a"), join(folder, "b")];
  fs.writeFileSync(from, "hello");
  // jco's shim lends no folder of its own accord, and jco itself reads its files through it.
  const shim = pathToFileURL(join(root, "node_modules/@bytecodealliance/preview2-shim/dist/nodejs/filesystem.js")).href;
  const preload = join(folder, "preload.mjs");
  fs.writeFileSync(
    preload,
    `import { setFlagsFromString } from "node:v8";
if (process.versions.node.startsWith("20.")) setFlagsFromString("--experimental-wasm-extended-const");
const { _addPreopen } = await import(${JSON.stringify(shim)});
_addPreopen("/", "/");\n`,
  );
  const jco = join(root, "node_modules/.bin/jco");
  const env = { ...process.env, NODE_OPTIONS: `--import=${pathToFileURL(preload).href}` };
  const command = [process.execPath, jco, "run", join(root, "dist/wasm/command.wasm"), "copy", from, to] as const;
  const { code, output } = await runChild(command, timeoutMs, env);
  assert.is(code, 0, output);
  assert.match(output, /^5 bytes by portable \(copied: yes\)/m);
  assert.is(fs.readFileSync(to, "utf8"), "hello");
});

test("the example guest joins files, through the engine that it is lent", async () => {
  const [built, data] = [tempFolder(), tempFolder()];
  const example = (name: string, ...args: string[]) =>
    runChild([process.execPath, join(root, "examples/wasi-guest", name), ...args], timeoutMs);
  const made = await example("build.mjs", built);
  assert.is(made.code, 0, made.output);
  for (const name of ["one", "two"]) fs.writeFileSync(join(data, name), name);
  const ran = await example("run.mjs", built, data, "out", "one", "two");
  assert.is(ran.output, "6 bytes\n");
  assert.is(fs.readFileSync(join(data, "out"), "utf8"), "onetwo");
});

test.run();
