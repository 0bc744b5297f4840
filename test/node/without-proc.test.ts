/** Where unnamed files can't get a name: no /proc. The named temporary serves. */
import process from "node:process";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { dataFile, MiB } from "../contract/support/files.ts";
import { runChild } from "../support/child.ts";
import { unmet } from "../support/needs.ts";
import { skipLine } from "../support/protocol.ts";
import { tempFolder } from "../support/temp.ts";
import { served, servedFolder } from "./support/served.ts";

const test = suite("without /proc");
const script = fileURLToPath(new URL("support/replace-files.js", import.meta.url));

const all = {
  made: ["copy", "durable", "atomic", "emptied", "saved"] as const,
  once: { "once new": "made", "once old": "EEXIST" },
};
const expected = {
  told: {
    ...Object.fromEntries(all.made.flatMap((way) => [`${way} new`, `${way} old`].map((key) => [key, "made"]))),
    ...all.once,
  },
  names: ["atomic", "copy", "durable", "emptied", "once", "saved"],
};

async function replaceFiles(wrap: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<unknown> {
  const { path } = dataFile(tempFolder(), MiB + 1);
  const [program = "", ...args] = [...wrap, process.execPath, script, tempFolder(), path];
  const { code, output, stdout } = await runChild([program, ...args], 20_000, { ...process.env, ...env });
  assert.is(code, 0, output);
  return JSON.parse(stdout);
}

test("files are made and replaced whole with everything there", async () => {
  assert.equal(await replaceFiles([]), expected);
});

test("files are made and replaced whole without the engine", async () => {
  assert.equal(await replaceFiles([], { SLUICE_DISABLE_NATIVE: "1" }), expected);
});

const serving = fileURLToPath(new URL("support/serve-paths.js", import.meta.url));

async function serve(wrap: readonly string[], env: NodeJS.ProcessEnv): Promise<unknown> {
  const [program = "", ...args] = [...wrap, process.execPath, serving, servedFolder(), ...Object.keys(served)];
  const { code, output, stdout } = await runChild([program, ...args], 20_000, { ...process.env, ...env });
  assert.is(code, 0, output);
  return JSON.parse(stdout);
}

const hide = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh"];
const missing = await unmet(["root"]);
for (const [how, env] of [
  ["with the engine", {}],
  ["without it", { SLUICE_DISABLE_NATIVE: "1" }],
] as const) {
  const replaces = async () => assert.equal(await replaceFiles(hide, env), expected);
  const serves = async () => assert.equal(await serve(hide, env), served);
  for (const [name, body] of [
    [`files are made and replaced whole without /proc, ${how}`, replaces],
    [`nothing but what lies in the root is served without /proc, ${how}`, serves],
  ] as const) {
    if (missing === undefined) test(name, body);
    else {
      test.skip(name);
      console.log(skipLine(name, missing));
    }
  }
}

test.run();
