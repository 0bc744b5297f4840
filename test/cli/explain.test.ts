import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { sampleEndpoint, sampleWords } from "#core/plan/explain.js";
import { tempFile, tempFolder } from "../support/temp.ts";
import { cli, type CliEnd, parseJson } from "./cli.ts";

/** Pairs run this many at a time. */
const atOnce = 4;

async function explainAll(pairs: readonly (readonly [string, string])[]): Promise<readonly CliEnd[]> {
  const ends: CliEnd[] = [];
  for (let i = 0; i < pairs.length; i += atOnce)
    ends.push(...(await Promise.all(pairs.slice(i, i + atOnce).map((pair) => cli(["explain", ...pair, "--json"])))));
  return ends;
}

/** Every word at either end; test/unit/explain.test.ts goes through every pair. */
const pairs = [...sampleWords.map((from) => [from, "tcp"] as const), ...sampleWords.map((to) => ["file", to] as const)];

test("explain --json answers for every word at either end, or says why there can be no transfer", async () => {
  const ends = await explainAll(pairs);
  for (const [i, end] of ends.entries()) {
    const [from = "", to = ""] = pairs[i] ?? [];
    const possible = sampleEndpoint(to)?.writable === true;
    assert.is(end.code, possible ? 0 : 1, `${from} ${to}: ${end.stderr}`);
    if (possible) assert.ok((parseJson(end)["candidates"] as readonly unknown[]).length > 0, `${from} ${to}`);
    else assert.match(end.stderr, /^sluice: Cannot explain [^\n]+\n$/);
  }
});

test("explain file tcp tells the order and draws the path without colours where there is no terminal", async () => {
  const end = await cli(["explain", "file", "tcp"], { env: { ...process.env, FORCE_COLOR: undefined } });
  assert.is(end.code, 0, end.stderr);
  const text = end.stdout.toString();
  for (const part of [
    "file (file, 1 GiB) → tcp (socket): 1 GiB",
    "Tried in this order",
    "page cache",
    "socket buffer",
    "NIC",
  ])
    assert.match(text, part);
  assert.not.match(text, "\u001b");
  for (const line of text.split("\n")) assert.ok(line.length <= 80, line);
});

test("explain --ascii prints ASCII alone", async () => {
  const end = await cli(["explain", "file", "tcp", "--ascii"]);
  assert.match(end.stdout.toString(), /^[\n -~]*$/);
});

test("explain --strategy draws that mechanism", async () => {
  const end = await cli(["explain", "file", "tcp", "--strategy", "portable"]);
  assert.match(end.stdout.toString(), "JS buffer");
  assert.match(end.stdout.toString(), "CPU copies 2");
});

test("explain --strategy exits 1 where the mechanism does not serve the pair", async () => {
  const end = await cli(["explain", "pipe", "tcp", "--strategy", "sendfile"]);
  assert.is(end.code, 1);
  assert.match(end.stderr, /^sluice: Cannot explain pipe to tcp: [^\n]*no mechanism is left \(sendfile: [^\n]+\n$/);
});

test("explain takes real paths, and makes no target", async () => {
  const from = tempFile("x".repeat(5000));
  const to = join(tempFolder(), "new");
  const explanation = parseJson(await cli(["explain", from, to, "--json", "--offset", "1000"]));
  assert.equal(explanation["source"], { name: from, kind: "file", size: 5000 });
  assert.equal(explanation["target"], { name: to, kind: "file", size: 0 });
  assert.is(explanation["length"], 4000);
  assert.not.ok(existsSync(to));
});

test("explain tells a file of the current folder from a kind by the slash", async () => {
  const cwd = tempFolder();
  writeFileSync(join(cwd, "tcp"), "12345");
  const [path, word] = await Promise.all([
    cli(["explain", "./tcp", "null", "--json"], { cwd }),
    cli(["explain", "tcp", "null", "--json"], { cwd }),
  ]);
  assert.equal(parseJson(path)["source"], { name: "./tcp", kind: "file", size: 5 });
  assert.equal(parseJson(word)["source"], { name: "tcp", kind: "socket", size: null });
});

test("explain trusts no size of procfs", async () => {
  const explanation = parseJson(await cli(["explain", "/proc/version", "tcp", "--json"]));
  assert.equal(explanation["source"], { name: "/proc/version", kind: "file", size: null });
});

test("explain of a missing source exits 1", async () => {
  const end = await cli(["explain", "./nothing", "tcp"], { cwd: tempFolder() });
  assert.is(end.stderr, "sluice: Cannot explain ./nothing to tcp: no such file or directory (ENOENT, ./nothing)\n");
  assert.is(end.code, 1);
});

test.run();
