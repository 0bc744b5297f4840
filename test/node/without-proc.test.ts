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

const hide = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh"];
const missing = await unmet(["root"]);
for (const [how, env] of [
  ["with the engine", {}],
  ["without it", { SLUICE_DISABLE_NATIVE: "1" }],
] as const) {
  const name = `files are made and replaced whole without /proc, ${how}`;
  if (missing === undefined) test(name, async () => assert.equal(await replaceFiles(hide, env), expected));
  else {
    test.skip(name);
    console.log(skipLine(name, missing));
  }
}

test.run();
