import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { randomBytes, sha256 } from "../support/data.ts";
import { tempFile, tempFolder } from "../support/temp.ts";
import { cli, parseJson } from "./cli.ts";

const data = randomBytes(3 * 2 ** 20 + 17);

test("ipc sends a file in three ways between two processes and compares them", async () => {
  const from = tempFile(data);
  const to = join(tempFolder(), "received");
  const end = await cli(["ipc", from, to, "--rounds", "2", "--ring-size", "64K", "--pipe-size", "64K", "--json"]);
  assert.is(end.code, 0, end.stderr);
  const {
    bytes,
    sha256: hash,
    methods,
  } = parseJson(end) as unknown as {
    bytes: number;
    sha256: string;
    methods: { method: string; ns: number; cpuNs: number; syscalls: number; rounds: number[]; verified: boolean }[];
  };
  assert.equal([bytes, hash], [data.length, sha256(data)]);
  assert.equal(
    methods.map(({ method, rounds, verified }) => [method, rounds.length, verified]),
    [
      ["pipe", 2, true],
      ["ring", 2, true],
      ["splice", 2, true],
    ],
  );
  for (const { ns, cpuNs, syscalls } of methods) assert.ok(ns > 0 && cpuNs > 0 && syscalls > 0);
  assert.is(Buffer.compare(readFileSync(to), data), 0);
});

test("ipc tells people what it found", async () => {
  const from = tempFile("");
  const end = await cli(["ipc", from, "--rounds", "1", "--method", "ring", "splice"]);
  assert.is(end.code, 0, end.stderr);
  const text = end.stdout.toString();
  for (const part of ["shared ring", "pipe, splice", "same sha256"]) assert.match(text, part);
  assert.not.match(text, "read and write");
});

test("ipc says why it cannot", async () => {
  const folder = tempFolder();
  writeFileSync(join(folder, "file"), data);
  const cases: [string[], number, RegExp][] = [
    [[join(folder, "missing")], 1, /ENOENT/],
    [[folder], 1, /regular file/],
    [[join(folder, "file"), join(folder, "none", "received"), "--rounds", "1"], 1, /receiver: .*ENOENT/],
    [[join(folder, "file"), "--rounds", "0"], 2, /whole number/],
    [[join(folder, "file"), "--method", "carrier-pigeon"], 2, /splice/],
  ];
  for (const [args, code, why] of cases) {
    const end = await cli(["ipc", ...args]);
    assert.is(end.code, code, end.stderr);
    assert.match(end.stderr, why);
    assert.is(end.stdout.toString(), "");
  }
});

test.run();
