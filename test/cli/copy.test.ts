import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { digestFile, randomBytes, sha256 } from "../support/data.ts";
import { tempFile, tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { cli, parseJson, startCli } from "./cli.ts";

const data = randomBytes(3 * 2 ** 20 + 17);

test("copy makes an equal file and tells how on stderr alone", async () => {
  const from = tempFile(data);
  const to = join(tempFolder(), "copy");
  const end = await cli(["copy", from, to]);
  assert.is(end.code, 0, end.stderr);
  assert.equal(await digestFile(to), { bytes: data.length, sha256: sha256(data) });
  assert.match(end.stderr, /^3\.0 MiB in [^\n]* by \w+\n$/);
  assert.is(end.stdout.length, 0);
});

test("copy --json prints the report and nothing else", async () => {
  const end = await cli(["copy", tempFile(data), join(tempFolder(), "copy"), "--json"]);
  const report = parseJson(end);
  assert.is(report["bytes"], data.length);
  assert.type(report["strategy"], "string");
  assert.ok(Array.isArray(report["attempts"]));
  assert.is(end.stderr, "");
  assert.is(end.code, 0);
});

test("copy --quiet says nothing", async () => {
  const end = await cli(["copy", "-q", tempFile(data), join(tempFolder(), "copy")]);
  assert.equal([end.code, end.stderr, end.stdout.length], [0, "", 0]);
});

test("copy into a folder keeps the name", async () => {
  const folder = tempFolder();
  const end = await cli(["copy", tempFile(data), folder]);
  assert.is(end.code, 0, end.stderr);
  assert.equal(await digestFile(join(folder, "file")), { bytes: data.length, sha256: sha256(data) });
});

test("copy into a folder by a symbolic link and .. goes where the kernel goes", async () => {
  const from = tempFile(data);
  const folder = tempFolder();
  mkdirSync(join(folder, "y", "z"), { recursive: true });
  symlinkSync("y/z", join(folder, "link"));
  writeFileSync(join(folder, "file"), "somebody else's");
  assert.is((await cli(["copy", from, `${folder}/link/..`])).code, 0);
  assert.is((await cli(["copy", from, `${folder}/link/`])).code, 0);
  assert.is(readFileSync(join(folder, "file"), "utf8"), "somebody else's");
  assert.equal(readdirSync(join(folder, "y")).sort(), ["file", "z"]);
  assert.equal(readdirSync(join(folder, "y", "z")), ["file"]);
});

test("copy --no-overwrite leaves the old target and exits 1", async () => {
  const to = tempFile("old");
  const end = await cli(["copy", "--no-overwrite", tempFile(data), to]);
  assert.is(end.code, 1);
  assert.match(end.stderr, /^sluice: Cannot copy [^\n]*EEXIST[^\n]*\n$/);
  assert.is(readFileSync(to, "utf8"), "old");
});

test("copy --preserve keeps mode and time", async () => {
  const from = tempFile(data);
  const long = new Date("2001-09-09T01:46:40Z");
  chmodSync(from, 0o640);
  utimesSync(from, long, long);
  const to = join(tempFolder(), "copy");
  const end = await cli(["copy", "--preserve", from, to]);
  assert.is(end.code, 0, end.stderr);
  assert.is(statSync(to).mode & 0o777, 0o640);
  assert.equal(statSync(to).mtime, long);
});

test("copy of a missing file tells so in one line and makes no target", async () => {
  const folder = tempFolder();
  const end = await cli(["copy", "nothing", "target"], { cwd: folder });
  assert.is(end.stderr, "sluice: Cannot copy nothing to target: no such file or directory (ENOENT, nothing)\n");
  assert.is(end.code, 1);
  assert.equal(readdirSync(folder), []);
});

test("copy --json of a missing file prints the error as data too", async () => {
  const end = await cli(["copy", "nothing", "target", "--json"], { cwd: tempFolder() });
  assert.is(end.code, 1);
  const error = parseJson(end)["error"] as Readonly<Record<string, unknown>>;
  assert.is(error["code"], "ENOENT");
  assert.is(error["bytesTransferred"], 0);
  assert.match(end.stderr, /^sluice: [^\n]*\n$/);
});

test("copy of a folder is refused", async () => {
  const folder = tempFolder();
  mkdirSync(join(folder, "inner"));
  const end = await cli(["copy", "inner", "target"], { cwd: folder });
  assert.is(end.code, 1);
  assert.match(end.stderr, /^sluice: Cannot copy inner to target: [^\n]*directory[^\n]*\n$/);
  assert.equal(readdirSync(folder), ["inner"]);
});

test("copy from standard input writes the whole file", async () => {
  const to = tempFile("old");
  chmodSync(to, 0o604);
  const end = await cli(["copy", "-", to], { input: data });
  assert.is(end.code, 0, end.stderr);
  assert.equal(await digestFile(to), { bytes: data.length, sha256: sha256(data) });
  assert.is(statSync(to).mode & 0o777, 0o604);
});

test("copy from standard input with --no-overwrite leaves nothing beside the old target", async () => {
  const folder = tempFolder();
  writeFileSync(join(folder, "target"), "old");
  const end = await cli(["copy", "--no-overwrite", "-", "target"], { cwd: folder, input: data });
  assert.is(end.code, 1);
  assert.match(end.stderr, "EEXIST");
  assert.equal(readdirSync(folder), ["target"]);
  assert.is(readFileSync(join(folder, "target"), "utf8"), "old");
});

test("copy ends at SIGINT with exit 130 and leaves the old target as it was", async () => {
  const folder = tempFolder();
  const to = join(folder, "target");
  writeFileSync(to, "old");
  const running = startCli(["copy", "-", to], { input: data, keepInputOpen: true });
  // It has no name before it is whole.
  const files = `/proc/${running.child.pid}/fd`;
  const sizeOf = (fd: string) => statSync(join(files, fd), { throwIfNoEntry: false })?.size;
  const arrived = () => readdirSync(files).some((fd) => sizeOf(fd) === data.length);
  await waitFor("the bytes to arrive", arrived);
  running.child.kill("SIGINT");
  const end = await running.ended;
  assert.is(end.code, 130, end.stderr);
  assert.is(end.stderr, `sluice: Interrupted by SIGINT after 3.0 MiB (${data.length} bytes)\n`);
  assert.equal(readdirSync(folder), ["target"]);
  assert.is(readFileSync(to, "utf8"), "old");
});

test("copy to standard output writes the bytes alone", async () => {
  const end = await cli(["copy", tempFile(data), "-"]);
  assert.is(end.code, 0, end.stderr);
  assert.is(sha256(end.stdout), sha256(data));
});

test("copy writes through a device and leaves it one", async () => {
  const end = await cli(["copy", tempFile(data), "/dev/null"]);
  assert.is(end.code, 0, end.stderr);
  assert.ok(statSync("/dev/null").isCharacterDevice());
});

test("copy to a full device exits 1 with the reason", async () => {
  const end = await cli(["copy", tempFile(data), "/dev/full"]);
  assert.is(end.code, 1);
  assert.match(end.stderr, /^sluice: Cannot copy [^\n]*ENOSPC[^\n]*\n$/);
});

test("copy refuses options that only files can keep elsewhere, as wrong usage", async () => {
  const end = await cli(["copy", "--sparse", "always", tempFile(data), "/dev/null"]);
  assert.is(end.code, 2);
  assert.match(end.stderr, /^sluice: [^\n]*--sparse needs a regular file at both ends\n$/);
});

test.run();
