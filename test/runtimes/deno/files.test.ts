/** Deno's files, and what to pass instead. */
import * as fs from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { transfer } from "sluice";
import { arrivals } from "../../contract/support/connection.ts";
import { assertBytes, dataFile, MiB } from "../../contract/support/files.ts";
import { rejection } from "../../contract/support/outcome.ts";
import { assert, test } from "../../support/contract.ts";
import { tempFolder } from "../../support/temp.ts";

test("transfer() refuses a Deno.FsFile at either end, saying what to pass", {}, async () => {
  const folder = tempFolder();
  const { path } = dataFile(folder, 1000);
  const into = join(folder, "target");
  using file = await Deno.open(path, { read: true, write: true });
  // Not of the declared types, so that the compiler says it first.
  const untyped = file as unknown as string;
  for (const call of [() => transfer(untyped, into), () => transfer(path, untyped)]) {
    const error = await rejection(call);
    assert.instance(error, TypeError);
    assert.is(error.code, "ERR_INVALID_ARG_VALUE");
    assert.match(error.message, /pass its path/);
  }
  assert.not.ok(fs.existsSync(into));
  assert.is((await file.stat()).size, 1000);
});

test("transfer() takes a file URL, a descriptor of node:fs and a FileHandle, and leaves them open", {}, async () => {
  const { path, content } = dataFile(tempFolder(), MiB);
  const fd = fs.openSync(path, "r");
  const handle = await fs.promises.open(path);
  for (const source of [pathToFileURL(path), fd, { fd }, handle]) {
    const { result, received } = await arrivals((socket) => transfer(source, socket));
    assert.is(result.bytes, content.length);
    assertBytes(received, content);
  }
  assert.is((await handle.stat()).size, content.length);
  await handle.close();
  fs.closeSync(fd);
});

test("transfer() between node:net sockets of Deno is sendfile from a file", { needs: ["engine"] }, async () => {
  const { path, content } = dataFile(tempFolder(), 3 * MiB);
  const { result, received } = await arrivals((socket) => transfer(path, socket));
  assert.is(result.strategy, "sendfile");
  assertBytes(received, content);
});
