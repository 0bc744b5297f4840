/** Where the installed package looks for its library, and what it says when none of them serves. */
import { copyFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { symbols } from "#core/abi/abi.js";
import { runChild } from "../support/child.ts";
import { runs } from "../support/programs.ts";
import { candidates, locate } from "../support/runtimes.ts";
import { tempFolder } from "../support/temp.ts";
import { install, pack, succeed } from "./package.ts";

const test = suite("finding");

const folder = await install((await pack()).path);
const script = join(folder, "tell.js");
writeFileSync(script, 'import { capabilities } from "sluice";\nconsole.log(JSON.stringify(capabilities().engine));\n');

/** The package's own library is out of the way, so that nothing is found by accident. */
const name = `native/linux-${process.arch}/libsluice.so`;
const elsewhere = join(tempFolder(), "elsewhere.so");
copyFileSync(join(folder, "node_modules/sluice/dist", name), elsewhere);
renameSync(join(folder, "node_modules/sluice/dist/native"), join(folder, "set-aside"));

/** A library with every function of ours, of another layout. */
async function strangeLibrary(): Promise<string> {
  const source = join(tempFolder(), "strange.c");
  const library = `${source}.so`;
  const functions = Object.keys(symbols).map((symbol) => `int ${symbol}(void) { return 1; }\n`);
  writeFileSync(source, functions.join(""));
  await succeed("cc", "-shared", "-fPIC", "-o", library, source);
  return library;
}

for (const candidate of candidates.usual) {
  const { command, name: runtime } = await locate(candidate);

  const tell = async (override: string | undefined): Promise<{ available: boolean; reason: string }> => {
    const env = { ...process.env, SLUICE_LIBRARY: override };
    const { code, stdout, output } = await runChild([...command, script], 20_000, env);
    assert.is(code, 0, output);
    return JSON.parse(stdout);
  };

  test(`without a library capabilities() names the one path where it belongs (${runtime})`, async () => {
    const { available, reason } = await tell(undefined);
    assert.is(available, false);
    const tried = [...reason.matchAll(/[^\s(;:']+libsluice\.so/g)].map(([path]) => path);
    assert.equal([...new Set(tried)], [join(folder, "node_modules/sluice/dist", name)]);
  });

  test(`SLUICE_LIBRARY loads the engine from there (${runtime})`, async () => {
    const { available, reason } = await tell(elsewhere);
    assert.ok(available, reason);
    assert.match(reason, elsewhere);
  });

  test(`SLUICE_LIBRARY is the only path that is tried (${runtime})`, async () => {
    const { available, reason } = await tell("/nonexistent/sluice.so");
    assert.is(available, false);
    assert.match(reason, "/nonexistent/sluice.so");
    assert.not.match(reason, "libsluice.so");
  });

  const versionTest = `a library of another version is not used (${runtime})`;
  if (!(await runs("cc"))) {
    console.log(`skip ${versionTest}: there is no cc`);
    test.skip(versionTest);
    continue;
  }
  test(versionTest, async () => {
    const library = await strangeLibrary();
    const { available, reason } = await tell(library);
    assert.is(available, false);
    assert.match(reason, library);
    assert.match(reason, /another version/);
  });
}

test.run();
