/** The runtimes under test are found, and one that is not there is a failure that says where it was looked for. */
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runChild } from "../support/child.ts";
import { installedProgram, newestOf } from "../support/programs.ts";
import { candidates, locate } from "../support/runtimes.ts";
import { ownCommand, tellCommand } from "../support/self.ts";

const test = suite("runtimes");

for (const candidate of candidates.usual)
  test(`locate() finds a program that runs (${candidate.name})`, async () => {
    const { command } = await locate(candidate);
    const { code, output } = await runChild([command[0], "--version"], 20_000);
    assert.is(code, 0, output);
    assert.match(output, /\d+\.\d+\.\d+/);
  });

test("installedProgram() rejects and names the places where nothing runs", async () => {
  const error = await installedProgram("@nobody", "program", "uvu/license").then(String, String);
  assert.match(error, /None of these programs runs: .*uvu\/license/);
});

test("newestOf() orders versions by their numbers, and passes over what is no release", () => {
  assert.is(newestOf(["26.8.2", "26.10.0", "26.9.0", "26.12.1", "26.13.0-rc.1", "9.99.99"]), "26.12.1");
  assert.is(newestOf([]), undefined);
});

test("ownCommand() is the command line that the runner has told", () => {
  const told = tellCommand({ name: "other", command: ["other", "run", "--quiet"], has: [] });
  const before = process.env["SLUICE_TEST_COMMAND"];
  Object.assign(process.env, told);
  assert.equal(ownCommand(), ["other", "run", "--quiet"]);
  delete process.env["SLUICE_TEST_COMMAND"];
  assert.is(ownCommand()[0], process.execPath);
  if (before !== undefined) process.env["SLUICE_TEST_COMMAND"] = before;
});

test.run();
