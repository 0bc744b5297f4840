/** copyFile(): what it accepts, what it keeps, and what it refuses. */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { createServer } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { type CopyOptions, copyFile } from "sluice";
import { assert, test } from "../support/contract.ts";
import { tempFolder } from "../support/temp.ts";
import { fifo } from "./support/descriptors.ts";
import { assertBytes, data, dataFile, MiB } from "./support/files.ts";
import { failure, rejection } from "./support/outcome.ts";

for (const size of [0, 1, 4096, 5 * MiB + 3]) {
  test(`copyFile() makes an equal file of ${size} bytes`, {}, async () => {
    const folder = tempFolder();
    const { path, content } = dataFile(folder, size);
    const report = await copyFile(path, join(folder, "target"));
    assert.is(report.bytes, size);
    assertBytes(fs.readFileSync(join(folder, "target")), content);
    assert.equal(fs.readdirSync(folder).length, 2, "no temporary stays");
  });
}

test("copyFile() replaces a longer target", {}, async () => {
  const folder = tempFolder();
  const { path, content } = dataFile(folder, 1000);
  const target = dataFile(folder, 9000, 2).path;
  await copyFile(path, target);
  assertBytes(fs.readFileSync(target), content);
});

test("copyFile() gives readers of the old target the old bytes to the end", {}, async () => {
  const folder = tempFolder();
  const { path } = dataFile(folder, 1000);
  const old = dataFile(folder, 9000, 2);
  const reader = fs.openSync(old.path, "r");
  await copyFile(path, old.path);
  assertBytes(fs.readFileSync(reader), old.content);
  fs.closeSync(reader);
});

test("copyFile() takes file URLs", {}, async () => {
  const folder = tempFolder();
  const { path, content } = dataFile(folder, 1000);
  await copyFile(pathToFileURL(path), pathToFileURL(join(folder, "target")));
  assertBytes(fs.readFileSync(join(folder, "target")), content);
});

test("copyFile() to another filesystem is atomic and whole there too (49)", { needs: ["tmpfs"] }, async () => {
  const { path, content } = dataFile(tempFolder(), MiB + 1);
  const folder = tempFolder("/dev/shm");
  fs.writeFileSync(join(folder, "target"), "old");
  await copyFile(path, join(folder, "target"));
  assertBytes(fs.readFileSync(join(folder, "target")), content);
  assert.equal(fs.readdirSync(folder), ["target"]);
});

test("copyFile() with overwrite: false is EEXIST and leaves what is there", {}, async () => {
  const folder = tempFolder();
  const { path, content } = dataFile(folder, 1000);
  const target = join(folder, "target");
  await copyFile(path, target, { overwrite: false });
  assertBytes(fs.readFileSync(target), content);
  fs.writeFileSync(target, "old");
  const error = await failure(() => copyFile(path, target, { overwrite: false }));
  assert.is(error.code, "EEXIST");
  assert.is(fs.readFileSync(target, "utf8"), "old");
  assert.is(fs.readdirSync(folder).length, 2);
});

test("copyFile() with overwrite: false takes a dangling symbolic link for something that exists", {}, async () => {
  const folder = tempFolder();
  const { path } = dataFile(folder, 1000);
  const link = join(folder, "link");
  fs.symlinkSync(join(folder, "nowhere"), link);
  assert.is((await failure(() => copyFile(path, link, { overwrite: false }))).code, "EEXIST");
  assert.ok(fs.lstatSync(link).isSymbolicLink());
  assert.not.ok(fs.existsSync(join(folder, "nowhere")));
});

test("copyFile() gives the target the source's mode less the umask", {}, async () => {
  const folder = tempFolder();
  const { path } = dataFile(folder, 1000);
  const previous = process.umask(0o027);
  for (const [mode, expected] of [
    [0o666, 0o640],
    [0o755, 0o750],
    [0o600, 0o600],
  ] as const) {
    fs.chmodSync(path, mode);
    const target = join(folder, `target-${mode}`);
    await copyFile(path, target);
    assert.is(fs.statSync(target).mode & 0o777, expected);
  }
  process.umask(previous);
});

test("copyFile() with preserve keeps mode and times exactly", {}, async () => {
  const folder = tempFolder();
  const { path } = dataFile(folder, 1000);
  fs.chmodSync(path, 0o6715);
  execFileSync("touch", ["-d", "2001-02-03 04:05:06.123456789 UTC", path]);
  const before = fs.statSync(path, { bigint: true });
  const previous = process.umask(0o077);
  const target = join(folder, "target");
  await copyFile(path, target, { preserve: true });
  process.umask(previous);
  const { mode, mtimeNs, atimeNs } = fs.statSync(target, { bigint: true });
  assert.is(mode, before.mode);
  assert.is(mtimeNs, before.mtimeNs);
  assert.is(atimeNs, before.atimeNs);
});

test("copyFile() without preserve gives the target a new time", {}, async () => {
  const folder = tempFolder();
  const { path } = dataFile(folder, 1000);
  fs.utimesSync(path, 1, 1);
  await copyFile(path, join(folder, "target"));
  assert.ok(fs.statSync(join(folder, "target")).mtimeMs > 1_000_000);
});

test("copyFile() durably makes the same file", {}, async () => {
  const folder = tempFolder();
  const { path, content } = dataFile(folder, MiB);
  await copyFile(path, join(folder, "target"), { durable: true });
  assertBytes(fs.readFileSync(join(folder, "target")), content);
});

test("copyFile() follows a symbolic link at either end", {}, async () => {
  const folder = tempFolder();
  const elsewhere = tempFolder();
  const { path, content } = dataFile(folder, 1000);
  fs.symlinkSync(path, join(folder, "from"));
  fs.writeFileSync(join(elsewhere, "real"), "old");
  fs.symlinkSync(join(elsewhere, "real"), join(folder, "to"));
  await copyFile(join(folder, "from"), join(folder, "to"));
  assert.ok(fs.lstatSync(join(folder, "to")).isSymbolicLink(), "the link stays a link");
  assertBytes(fs.readFileSync(join(elsewhere, "real")), content);
  assert.equal(fs.readdirSync(elsewhere), ["real"]);
});

test("copyFile() creates the file that a dangling symbolic link names", {}, async () => {
  const folder = tempFolder();
  const { path, content } = dataFile(folder, 1000);
  fs.symlinkSync("real", join(folder, "to"));
  await copyFile(path, join(folder, "to"));
  assert.ok(fs.lstatSync(join(folder, "to")).isSymbolicLink());
  assertBytes(fs.readFileSync(join(folder, "real")), content);
});

test("copyFile() of a file onto itself, by whatever name, is an error and harmless", {}, async () => {
  const folder = tempFolder();
  const { path, content } = dataFile(folder, 1000);
  fs.symlinkSync(path, join(folder, "symbolic"));
  fs.linkSync(path, join(folder, "hard"));
  for (const target of [path, join(folder, "symbolic"), join(folder, "hard"), join(folder, ".", "hard")]) {
    assert.is((await failure(() => copyFile(path, target))).code, "ERR_SLUICE_OVERLAP");
    assertBytes(fs.readFileSync(path), content);
  }
});

test("copyFile() of a procfs file copies what it holds (19)", { needs: ["proc"] }, async () => {
  const target = join(tempFolder(), "target");
  for (const path of ["/proc/version", "/proc/self/limits", "/proc/cpuinfo"]) {
    await copyFile(path, target);
    assert.is(fs.readFileSync(target, "utf8"), fs.readFileSync(path, "utf8"));
  }
});

test("copyFile() of a file that is gone is ENOENT and leaves nothing", {}, async () => {
  const folder = tempFolder();
  const { path } = dataFile(folder, 1000);
  fs.unlinkSync(path);
  assert.is((await failure(() => copyFile(path, join(folder, "target")))).code, "ENOENT");
  assert.equal(fs.readdirSync(folder), []);
});

interface Refusal {
  readonly name: string;
  readonly code: string;
  readonly ends: (folder: string, file: string) => readonly [string, string];
}

const refused: readonly Refusal[] = [
  { name: "a directory", code: "EISDIR", ends: (folder) => [folder, join(folder, "target")] },
  { name: "a missing file", code: "ENOENT", ends: (folder) => [join(folder, "missing"), join(folder, "target")] },
  { name: "a path through a file", code: "ENOTDIR", ends: (folder, file) => [join(file, "x"), join(folder, "target")] },
  { name: "a file to a directory", code: "EISDIR", ends: (folder, file) => [file, folder] },
  { name: "a file to a missing folder", code: "ENOENT", ends: (folder, file) => [file, join(folder, "a", "b")] },
  {
    name: "a file to a folder's name with a slash",
    code: "EISDIR",
    ends: (folder, file) => [file, `${join(folder, "new")}/`],
  },
  { name: "a file to a FIFO", code: "ERR_SLUICE_UNSUPPORTED", ends: (folder, file) => [file, fifo(folder)] },
  { name: "a FIFO", code: "ERR_SLUICE_UNSUPPORTED", ends: (folder) => [fifo(folder), join(folder, "target")] },
  { name: "a device", code: "ERR_SLUICE_UNSUPPORTED", ends: (folder) => ["/dev/zero", join(folder, "target")] },
  { name: "a file to a device", code: "ERR_SLUICE_UNSUPPORTED", ends: (_folder, file) => [file, "/dev/null"] },
];

for (const { name, code, ends } of refused) {
  test(`copyFile() of ${name} is ${code}`, {}, async () => {
    const folder = tempFolder();
    const { path, content } = dataFile(folder, 1000);
    const [from, to] = ends(folder, path);
    const before = fs.readdirSync(folder);
    assert.is((await failure(() => copyFile(from, to))).code, code);
    assert.equal(fs.readdirSync(folder), before, "nothing was created");
    assertBytes(fs.readFileSync(path), content);
  });
}

test("copyFile() to a socket's path leaves it a socket", {}, async () => {
  const folder = tempFolder();
  const { path } = dataFile(folder, 1000);
  const server = createServer().listen(join(folder, "socket"));
  await once(server, "listening");
  assert.is((await failure(() => copyFile(path, join(folder, "socket")))).code, "ERR_SLUICE_UNSUPPORTED");
  assert.ok(fs.statSync(join(folder, "socket")).isSocket());
  server.close();
});

const wrong: readonly Readonly<Record<string, unknown>>[] = [
  { reflink: "sometimes" },
  { sparse: true },
  { overwrite: "yes" },
  { preserve: 1 },
  { durable: "very" },
  { signal: {} },
  { onProgress: 3 },
];
for (const options of wrong) {
  test(`copyFile() refuses ${JSON.stringify(options)}`, {}, async () => {
    const folder = tempFolder();
    const { path } = dataFile(folder, 1000);
    const error = await rejection(() => copyFile(path, join(folder, "target"), options as CopyOptions));
    assert.instance(error, TypeError);
    assert.match(error.code ?? "", /^ERR_INVALID_ARG_(TYPE|VALUE)$/);
    assert.is(fs.readdirSync(folder).length, 1);
  });
}

test("copyFile() to one target twice at once leaves one whole file", {}, async () => {
  const folder = tempFolder();
  const one = dataFile(folder, 2 * MiB, 1);
  const two = dataFile(folder, 3 * MiB, 2);
  const target = join(folder, "target");
  await Promise.all([one, two, one, two].map(({ path }) => copyFile(path, target)));
  const content = fs.readFileSync(target);
  assert.ok(content.equals(one.content) || content.equals(two.content));
  assert.is(fs.readdirSync(folder).length, 3);
});

test("copyFile() reports progress that ends with the whole", {}, async () => {
  const folder = tempFolder();
  const content = data(4 * MiB);
  fs.writeFileSync(join(folder, "source"), content);
  const seen: number[] = [];
  await copyFile(join(folder, "source"), join(folder, "target"), { onProgress: (bytes) => seen.push(bytes) });
  assert.is(seen.at(-1), content.length);
  assert.equal(
    seen,
    [...seen].sort((a, b) => a - b),
  );
});
