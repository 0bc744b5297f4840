/** What is tested is what is written: the build and the runner in a copy of this repository, edited. */
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Ended, runChild } from "../support/child.ts";
import { root } from "../support/root.ts";
import { home } from "../support/runtimes.ts";
import { tempFolder } from "../support/temp.ts";

const test = suite("build");

const limitMs = 120_000;
const copy = join(tempFolder(), "sluice");
const inCopy = (path: string) => join(copy, path);

/** A contract test of a line, to be run in the copy. */
const example = "test/contract/example.test.ts";
const helper = "test/support/example-helper.ts";
const exampleText = `
  import { greeting } from "../support/example-helper.ts";
  import { readFileSync } from "node:fs";
  import { transfer } from "sluice";
  import { assert, test } from "../support/contract.ts";
  import { tempFile } from "../support/temp.ts";
  test("moves a file", {}, async () => {
    const target = tempFile("");
    await transfer(tempFile(greeting), target);
    assert.is(readFileSync(target, "utf8"), greeting);
  });
`;

function writeExample(): void {
  writeFileSync(inCopy(helper), 'export const greeting = "hello";\n');
  writeFileSync(inCopy(example), exampleText);
}

test.before(() => {
  const generated = ["node_modules", ".git"];
  const options = { recursive: true, preserveTimestamps: true };
  for (const name of readdirSync(root).filter((each) => !generated.includes(each)))
    cpSync(join(root, name), inCopy(name), options);
  // By links of its own, for a tool to go missing.
  mkdirSync(inCopy("node_modules"));
  for (const name of readdirSync(join(root, "node_modules")))
    symlinkSync(join(root, "node_modules", name), inCopy(`node_modules/${name}`));
  writeExample();
});

const script = (path: string, ...words: string[]): Promise<Ended> =>
  runChild([...home.command, inCopy(path), ...words], limitMs);
const runExample = (): Promise<Ended> => script("build/test/run.js", "contract/example (node)");

const lastLine = ({ stdout }: Ended) => stdout.trimEnd().split("\n").at(-1);
const passes = (ended: Ended) => assert.equal([lastLine(ended), ended.code], ["1 passed, 0 failed", 0], ended.output);
const fails = (ended: Ended, why: RegExp) => {
  assert.equal([lastLine(ended), ended.code], ["0 passed, 1 failed", 1], ended.output);
  assert.match(ended.output, why);
};

/** Which steps were run. */
const stepsIn = ({ stdout }: Ended) => [...stdout.matchAll(/^(\w+): [\d.]+ s$/gm)].map(([, name]) => name);

/** Edits a file of the copy, and answers what puts it back as it was, to its time. */
function edit(path: string, change: (text: string) => string): () => void {
  const text = readFileSync(inCopy(path), "utf8");
  const { atime, mtime } = statSync(inCopy(path));
  const changed = change(text);
  assert.is.not(changed, text);
  writeFileSync(inCopy(path), changed);
  return () => {
    writeFileSync(inCopy(path), text);
    utimesSync(inCopy(path), atime, mtime);
  };
}

/** Makes transfer() throw. */
const breakTransfer = () =>
  edit("lib/transfer/transfer.ts", (text) =>
    text.replace(/^export (?:async )?function transfer\(.*\{$/m, '$& throw new Error("broken here");'),
  );

test("a test that is new is built, and built once", async () => {
  passes(await runExample());
  const again = await runExample();
  passes(again);
  assert.equal(stepsIn(again), []);
});

test("an edit of the library is what is tested, built once for two runs, and so is its undoing", async () => {
  const undo = breakTransfer();
  const both = await Promise.all([runExample(), runExample()]);
  for (const ended of both) fails(ended, /broken here/);
  assert.equal(both.flatMap(stepsIn).sort(), ["bundle", "manual", "modules"]);
  undo();
  passes(await runExample());
});

test("what does not compile fails, with the compiler's words, until it does", async () => {
  const undo = edit("lib/transfer/transfer.ts", (text) => `${text}\nexport const two: number = "two";\n`);
  for (const _ of [1, 2]) fails(await runExample(), /lib\/transfer\/transfer\.ts\(\d+,\d+\): error TS2322/);
  undo();
  passes(await runExample());
});

test("what was built is built again where it is gone, or was changed", async () => {
  rmSync(inCopy("dist/lib/node.js"));
  passes(await runExample());
  rmSync(inCopy("build/test/support/contract.js"));
  edit("dist/modules/core/error.js", () => "throw 1;");
  passes(await runExample());
});

test("a source that is gone is not imported, nor run", async () => {
  rmSync(inCopy(helper));
  fails(await runExample(), /example-helper\.ts'/);
  rmSync(inCopy(example));
  const { code, output } = await runExample();
  assert.is(code, 1);
  assert.match(output, /No test ran/);
  writeExample();
  passes(await runExample());
});

test("without the tools of the build what is fresh is tested, and the rest refused", async () => {
  rmSync(inCopy("node_modules/typescript"));
  passes(await runExample());
  breakTransfer();
  fails(await runExample(), /transfer\.ts has changed, and typescript is not installed: npm ci/);
});

test.run();
