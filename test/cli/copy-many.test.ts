/** `copy` of several files and of folders, of files that are there already, and at a rate. */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { randomBytes } from "../support/data.ts";
import { candidates, locate } from "../support/runtimes.ts";
import { tempFile, tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { cli, type CliOptions, parseJson, startCli, startReceiverOn } from "./cli.ts";

const old = new Date("2001-09-09T01:46:40Z");
const data = randomBytes(300_000);

/** A folder `a` with files, folders and links, all of them old. */
function makeTree(): string {
  const folder = tempFolder();
  const a = join(folder, "a");
  mkdirSync(join(a, "sub", "empty"), { recursive: true });
  writeFileSync(join(a, "file"), data, { mode: 0o640 });
  writeFileSync(join(a, "sub", "program"), "#!/bin/sh\n", { mode: 0o755 });
  writeFileSync(join(a, "sparse"), "");
  truncateSync(join(a, "sparse"), 2 ** 24);
  symlinkSync("../file", join(a, "sub", "link"));
  symlinkSync("/etc", join(a, "out"));
  symlinkSync("nowhere", join(a, "dangling"));
  chmodSync(join(a, "sub"), 0o750);
  chmodSync(join(a, "sub", "empty"), 0o1777);
  for (const link of ["sub/link", "out", "dangling"]) lutimesSync(join(a, link), old, old);
  for (const name of ["file", "sub/program", "sparse", "sub/empty", "sub", ""]) utimesSync(join(a, name), old, old);
  return folder;
}

/** All that there is under a folder, as `cp -a` would keep it but for the owner. */
function contentOf(folder: string, under = ""): Readonly<Record<string, unknown>> {
  const facts = lstatSync(join(folder, under));
  const own = [facts.mode.toString(8), Math.floor(facts.mtimeMs)];
  if (facts.isSymbolicLink()) return { [under]: [...own, readlinkSync(join(folder, under))] };
  if (facts.isFile()) return { [under]: [...own, readFileSync(join(folder, under)).toString("base64")] };
  const inner = facts.isDirectory() ? readdirSync(join(folder, under)) : [];
  return Object.assign({ [under]: own }, ...inner.map((name) => contentOf(folder, join(under, name)))) as Record<
    string,
    unknown
  >;
}

for (const candidate of candidates.usual) {
  const runtime = await locate(candidate);
  const { name, command } = runtime;
  const run = (args: readonly string[], options: CliOptions = {}) => cli(["copy", ...args], { command, ...options });

  test(`copy -r keeps modes, times, links and holes, into a folder and to a new one (${name})`, async () => {
    const folder = makeTree();
    mkdirSync(join(folder, "into"));
    const expected = contentOf(join(folder, "a"));
    for (const [to, made] of [
      ["new", "new"],
      ["into", "into/a"],
      ["into", "into/a"],
    ] as const) {
      const end = await run(["-r", "a", to], { cwd: folder });
      assert.equal([end.code, end.stdout.length], [0, 0], end.stderr);
      assert.match(end.stderr, /^3 files, 3 folders, 3 links: 16\.3 MiB in [^\n]*\n$/);
      assert.equal(contentOf(join(folder, made)), expected);
      if (runtime.has.includes("engine")) assert.ok(statSync(join(folder, made, "sparse")).blocks < 100);
    }
  });

  test(`copy of several goes into a folder, and what fails leaves the others alone (${name})`, async () => {
    const folder = tempFolder();
    for (const file of ["one", "two"]) writeFileSync(join(folder, file), file);
    mkdirSync(join(folder, "to"));
    const end = await run(["one", "none", "two", "to", "--json"], { cwd: folder });
    assert.is(end.code, 1);
    const why = "Cannot copy none to to/none: no such file or directory (ENOENT, none)";
    assert.is(end.stderr, `sluice: ${why}\n`);
    const { durationNs, ...report } = parseJson(end);
    assert.type(durationNs, "number");
    const failed = [{ from: "none", to: "to/none", code: "ENOENT", message: why }];
    assert.equal(report, { files: 2, folders: 0, links: 0, skipped: 0, bytes: 6, failed });
    assert.equal(readdirSync(join(folder, "to")).sort(), ["one", "two"]);
  });

  test(`copy -n leaves what exists, and --checksum what is equal (${name})`, async () => {
    const folder = tempFolder();
    for (const file of ["same", "other", "new", "shorter"]) writeFileSync(join(folder, file), data);
    const to = join(folder, "to");
    mkdirSync(to);
    writeFileSync(join(to, "same"), data);
    writeFileSync(
      join(to, "other"),
      data.map((byte, i) => (i === data.length - 1 ? byte ^ 1 : byte)),
    );
    writeFileSync(join(to, "shorter"), data.subarray(1));
    for (const file of ["same", "other"]) utimesSync(join(to, file), old, old);
    const wasOld = (file: string) => statSync(join(to, file)).mtimeMs === old.getTime();
    const careful = await run(["-nv", "same", "other", "to"], { cwd: folder });
    assert.is(careful.code, 0);
    assert.match(careful.stderr, /^to\/same skipped: it exists\nto\/other skipped: it exists\n0 files, 2 skipped/);
    assert.ok(wasOld("same") && wasOld("other"));
    const some = await run(["--checksum", "-v", "same", "other", "new", "shorter", "to"], { cwd: folder });
    assert.is(some.code, 0, some.stderr);
    assert.match(
      some.stderr,
      /^to\/same skipped: it has the same content\nother -> to\/other\nnew -> to\/new\nshorter -> to\/shorter\n3 files, 1 skipped/,
    );
    assert.ok(wasOld("same"));
    for (const file of ["other", "new", "shorter"]) assert.ok(readFileSync(join(to, file)).equals(data));
  });

  test(`copy -r ends at SIGINT with 130, whole files alone are there (${name})`, async () => {
    const folder = tempFolder();
    mkdirSync(join(folder, "a"));
    writeFileSync(join(folder, "a", "1"), "whole");
    writeFileSync(join(folder, "a", "2"), randomBytes(2 ** 22));
    const running = startCli(["copy", "-r", "--limit", "64K", "a", "b"], { command, cwd: folder });
    await waitFor("the first file", () => existsSync(join(folder, "b", "1")));
    running.child.kill("SIGINT");
    const end = await running.ended;
    assert.is(end.code, 130, end.stderr);
    assert.match(end.stderr, /^sluice: Interrupted by SIGINT after [^\n]*\n$/);
    assert.equal(readdirSync(join(folder, "b")), ["1"]);
  });

  test(`copy, send and receive --limit take the time that it takes, and lose nothing (${name})`, async () => {
    const from = tempFile(data);
    const to = join(tempFolder(), "to");
    /** A piece may go before the first wait. */
    const leastNs = (data.length / 2 ** 20 - 0.1) * 1e9;
    const toFile = parseJson(await run(["--limit", "1M", from, to, "--json"]));
    assert.equal([toFile["bytes"], Number(toFile["durationNs"]) > leastNs], [data.length, true]);
    assert.ok(readFileSync(to).equals(data));
    const out = await run(["--limit", "1M", from, "-"]);
    assert.ok(out.stdout.equals(data), out.stderr);
    const fromInput = await run(["--limit", "1M", "-", to, "--json"], { input: data });
    assert.is(parseJson(fromInput)["bytes"], data.length);
    assert.ok(readFileSync(to).equals(data));

    const receiver = await startReceiverOn({ command }, to, "--limit", "1M", "--json");
    const sent = await cli(["send", from, `127.0.0.1:${receiver.port}`, "--limit", "1M", "--json"], { command });
    assert.is(sent.code, 0, sent.stderr);
    for (const report of [parseJson(sent), parseJson(await receiver.ended)])
      assert.equal([report["bytes"], Number(report["durationNs"]) > leastNs], [data.length, true]);
    assert.ok(readFileSync(to).equals(data));
  });
}

test("copy -r tells what it can't copy, and goes on", async () => {
  const folder = makeTree();
  execFileSync("mkfifo", [join(folder, "a", "fifo")]);
  const end = await cli(["copy", "-r", "a", "b"], { cwd: folder });
  assert.is(end.code, 1);
  assert.match(
    end.stderr,
    /^sluice: Cannot copy a\/fifo to b\/fifo: it is neither [^\n]*\n3 files, [^\n]*, 1 failed: /,
  );
  assert.ok(readFileSync(join(folder, "b", "file")).equals(data));
});

test("copy -r follows no link out of the target, and puts no folder in the place of one", async () => {
  const folder = makeTree();
  for (const name of ["b", "elsewhere"]) mkdirSync(join(folder, name));
  writeFileSync(join(folder, "victim"), "untouched");
  symlinkSync("../victim", join(folder, "b", "file"));
  symlinkSync("../elsewhere", join(folder, "b", "sub"));
  writeFileSync(join(folder, "b", "out"), "a file where a link comes");
  const end = await cli(["copy", "-r", "a/.", "b"], { cwd: folder });
  assert.is(end.code, 1);
  assert.match(end.stderr, /^sluice: Cannot copy a\/\.\/sub to b\/\.\/sub: not a directory \(ENOTDIR[^\n]*\n/);
  assert.is(readFileSync(join(folder, "victim"), "utf8"), "untouched");
  assert.equal(readdirSync(join(folder, "elsewhere")), []);
  assert.ok(lstatSync(join(folder, "b", "file")).isFile());
  assert.is(readlinkSync(join(folder, "b", "out")), "/etc");
  assert.not.ok(readdirSync(join(folder, "b")).some((name) => name.startsWith(".sluice-")));
});

test("copy -r of a folder into itself ends, and says so", async () => {
  const folder = makeTree();
  const end = await cli(["copy", "-r", "a", "a/sub/empty"], { cwd: folder });
  assert.is(end.code, 1);
  assert.match(end.stderr, "a folder can't be copied into itself");
  assert.not.ok(existsSync(join(folder, "a", "sub", "empty", "a", "sub", "empty", "a")));
  const onto = await cli(["copy", "-r", "a", "a/../a/."], { cwd: folder });
  assert.is(onto.code, 1);
});

test("copy -r -n leaves the links that exist, too", async () => {
  const folder = makeTree();
  mkdirSync(join(folder, "b"));
  symlinkSync("mine", join(folder, "b", "out"));
  assert.is((await cli(["copy", "-rn", "a/.", "b"], { cwd: folder })).code, 0);
  assert.is(readlinkSync(join(folder, "b", "out")), "mine");
});

const refused: readonly (readonly [args: readonly string[], code: number, why: string])[] = [
  [["a"], 2, "missing required argument"],
  [["a", "-", "to"], 2, "standard input is copied alone"],
  [["a", "a", "none"], 1, "not a directory (ENOTDIR, none)"],
  [["a", "a", "a"], 1, "not a directory (ENOTDIR, a)"],
  [["--limit", "0", "a", "b"], 2, "A rate is"],
  [["--limit", "fast", "a", "b"], 2, "Bytes are"],
  [["--limit", "1M", "--sparse", "always", "a", "b"], 2, "--limit"],
];

for (const [args, code, why] of refused)
  test(`copy ${args.join(" ")} is refused with ${code}`, async () => {
    const folder = tempFolder();
    writeFileSync(join(folder, "a"), "a");
    const end = await cli(["copy", ...args], { cwd: folder });
    assert.is(end.code, code);
    assert.ok(end.stderr.startsWith("sluice: ") && end.stderr.includes(why), end.stderr);
    assert.equal(readdirSync(folder), ["a"]);
  });

test.run();
