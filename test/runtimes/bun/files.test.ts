/** Bun.file() as source and target. */
import * as fs from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { transfer } from "sluice";
import { arrivals } from "../../contract/support/connection.ts";
import { assertBytes, data, dataFile, MiB } from "../../contract/support/files.ts";
import { rejection } from "../../contract/support/outcome.ts";
import { assert, test } from "../../support/contract.ts";
import { tempFolder } from "../../support/temp.ts";

test("transfer() sends a Bun.file to a socket by sendfile", { needs: ["engine"] }, async () => {
  const { path, content } = dataFile(tempFolder(), 3 * MiB + 1);
  const { result, received } = await arrivals((socket) => transfer(Bun.file(path), socket));
  assert.is(result.strategy, "sendfile");
  assertBytes(received, content);
});

test("transfer() sends a range of a Bun.file", {}, async () => {
  const { path, content } = dataFile(tempFolder(), 10_000);
  const range = { offset: 1000, length: 2000 };
  const { received } = await arrivals((socket) => transfer(Bun.file(path), socket, range));
  assertBytes(received, content.subarray(1000, 3000));
});

test("transfer() makes and empties the file of a Bun.file that is the target", {}, async () => {
  const folder = tempFolder();
  const into = join(folder, "target");
  for (const length of [5000, 3000]) {
    const { path, content } = dataFile(folder, length);
    await transfer(Bun.file(path), Bun.file(into));
    assertBytes(fs.readFileSync(into), content);
  }
});

test("transfer() takes the same Bun.file again after the file has grown", {}, async () => {
  const folder = tempFolder();
  const target = Bun.file(join(folder, "target"));
  const source = Bun.file(dataFile(folder, 100).path);
  await transfer(source, target);
  fs.appendFileSync(source.name ?? "", data(50, 2));
  assert.is((await transfer(source, target)).bytes, 150);
});

test("transfer() takes a Bun.file of procfs, which has no size", {}, async () => {
  const { received } = await arrivals((socket) => transfer(Bun.file("/proc/version"), socket));
  assert.is(received.toString(), fs.readFileSync("/proc/version", "utf8"));
});

test("transfer() takes a file URL and a FileHandle, and leaves the handle open", {}, async () => {
  const { path, content } = dataFile(tempFolder(), 10_000);
  const handle = await fs.promises.open(path);
  for (const source of [pathToFileURL(path), handle]) {
    const { received } = await arrivals((socket) => transfer(source, socket));
    assertBytes(received, content);
  }
  assert.is((await handle.stat()).size, content.length);
  await handle.close();
});

const { path } = dataFile(tempFolder(), 8);
const renamed = Bun.file(path);
Object.assign(renamed, { name: "/etc/hostname" });
const named = new Blob([data(8)]);
Object.assign(named, { name: path });

/** What looks like a Bun.file of a path and is none. The names of files in a form are the client's choice. */
const refused = {
  "a slice from the middle": Bun.file(path).slice(2, 5),
  "a slice from the start": Bun.file(path).slice(0, 5),
  "a slice to the end": Bun.file(path).slice(1),
  "a File in memory that is called like a path": new File([data(8)], path),
  "a File around a Bun.file": new File([Bun.file(path)], "/etc/hostname"),
  "a Blob with the name of a path": named,
  "a Bun.file that was given another name": renamed,
  "a Bun.file of a descriptor": Bun.file(0),
  "a Blob": new Blob(["x"]),
} as const;

for (const [what, value] of Object.entries(refused))
  test(`transfer() refuses ${what} at either end and touches nothing`, {}, async () => {
    const into = join(tempFolder(), "target");
    const before = fs.readFileSync(path);
    for (const call of [
      () => transfer(value as Blob & Bun.BunFile, into),
      () => transfer(path, value as Blob & Bun.BunFile),
    ]) {
      const error = await rejection(call);
      assert.instance(error, TypeError);
      assert.match(error.code ?? "", /^ERR_INVALID_ARG_(TYPE|VALUE)$/);
    }
    assert.not.ok(fs.existsSync(into));
    assertBytes(fs.readFileSync(path), before);
  });
