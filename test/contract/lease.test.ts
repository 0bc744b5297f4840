/** lease(): being told before another process changes a file. */
import * as fs from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { lease, TransferError } from "sluice";
import { assert, test } from "../support/contract.ts";
import { tempFile, tempFolder } from "../support/temp.ts";
import { type Deed, other } from "./support/other-process.ts";
import { aWhile, failure, rejection } from "./support/outcome.ts";
import { places } from "./support/places.ts";

const { O_WRONLY, O_NONBLOCK } = fs.constants;

/** Opens for writing without waiting: EAGAIN where a lease is in the way. */
function isFree(path: string): boolean {
  try {
    fs.closeSync(fs.openSync(path, O_WRONLY | O_NONBLOCK));
    return true;
  } catch (error) {
    assert.is((error as NodeJS.ErrnoException).code, "EAGAIN");
    return false;
  }
}

for (const place of places)
  test(
    `lease() on ${place.name} tells of a writer and holds it up`,
    { needs: ["engine", ...place.needs] },
    async () => {
      const path = join(place.folder(), "file");
      fs.writeFileSync(path, "content");
      const held = await lease(path, "read");
      const writer = other("truncate", path);
      const broken = await held.broken;
      assert.is(broken?.wanted, "write");
      assert.ok((broken?.remainingMs ?? 0) > 0);
      await aWhile();
      assert.not(writer.hasEnded);
      assert.is(fs.readFileSync(path, "utf8"), "content");
      assert.is(held.release(), true);
      assert.is(held.release(), false, "there is nothing to release twice");
      assert.is(await writer.ended, 0);
    },
  );

test("lease() takes paths, URLs, descriptors and FileHandles", { needs: ["engine"] }, async () => {
  const path = tempFile("content");
  await using handle = await open(path);
  const fd = fs.openSync(path, "r");
  for (const source of [path, pathToFileURL(path), fd, { fd }, handle]) {
    const held = await lease(source, "read");
    assert.not(isFree(path));
    held.release();
    assert.ok(isFree(path));
  }
  fs.closeSync(fd);
});

test("lease() outlives the descriptor that it was given", { needs: ["engine"] }, async () => {
  const path = tempFile("content");
  const fd = fs.openSync(path, "r");
  const held = await lease(fd, "read");
  fs.closeSync(fd);
  assert.not(isFree(path));
  held.release();
  assert.ok(isFree(path));
});

test("lease() is released by using and await using", { needs: ["engine"] }, async () => {
  const path = tempFile("content");
  {
    using held = await lease(path, "read");
    assert.is(held.type, "read");
  }
  assert.ok(isFree(path));
  {
    await using held = await lease(path, "write");
    assert.is(held.type, "write");
  }
  assert.ok(isFree(path));
});

test("lease.broken is undefined when it was released before anybody asked", { needs: ["engine"] }, async () => {
  const held = await lease(tempFile("content"), "read");
  held.release();
  assert.is(await held.broken, undefined);
  assert.not(held.wasWanted);
});

test("lease.wasWanted tells of a break that was too late to be told", { needs: ["engine"] }, async () => {
  const path = tempFile("content");
  const held = await lease(path, "read");
  assert.throws(() => fs.openSync(path, fs.constants.O_WRONLY | O_NONBLOCK), /EAGAIN/);
  assert.is(held.release(), true);
  assert.ok(held.wasWanted);
});

for (const deed of ["rename", "unlink", "replace"] as const satisfies readonly Deed[])
  test(`lease() does not see ${deed}`, { needs: ["engine"] }, async () => {
    const path = tempFile("content");
    const held = await lease(path, "read");
    assert.is(await other(deed, path).ended, 0);
    assert.is(held.release(), true);
    assert.is(await held.broken, undefined);
  });

test('lease() of type "write" tells of readers', { needs: ["engine"] }, async () => {
  const path = tempFile("content");
  const held = (await lease(path, "write")).ref();
  assert.throws(() => fs.openSync(path, fs.constants.O_RDONLY | O_NONBLOCK), /EAGAIN/);
  assert.is((await held.broken)?.wanted, "read");
  held.release();
  assert.is(fs.readFileSync(path, "utf8"), "content");
});

test("lease() lets go by itself, also while the event loop is what is held up", { needs: ["engine"] }, async () => {
  const path = tempFile("content");
  const held = (await lease(path, "read", { holdMs: 300 })).ref();
  fs.closeSync(fs.openSync(path, "r+"));
  const broken = await held.broken;
  assert.is(broken?.remainingMs, 0);
  assert.is(held.release(), false);
});

test("lease() does not keep the process alive", { needs: ["engine"] }, async () => {
  await lease(tempFile("content"), "read");
});

test("lease() with ref() keeps its break coming, and unref() lets the process end", { needs: ["engine"] }, async () => {
  const path = tempFile("content");
  const held = (await lease(path, "read")).ref();
  other("truncate", path);
  assert.is((await held.broken)?.wanted, "write");
  held.unref().ref().unref();
  held.release();
});

test("lease() of a file that is open for writing is EAGAIN", { needs: ["engine"] }, async () => {
  const path = tempFile("content");
  const fd = fs.openSync(path, "r+");
  for (const source of [path, fd]) {
    const error = await failure(() => lease(source, "read"));
    assert.is(error.code, "EAGAIN");
    assert.match(error.message, /open for writing/);
  }
  fs.closeSync(fd);
});

test('lease() of type "write" of a file that is open elsewhere is EAGAIN', { needs: ["engine"] }, async () => {
  const path = tempFile("content");
  const fd = fs.openSync(path, "r");
  assert.is((await failure(() => lease(path, "write"))).code, "EAGAIN");
  fs.closeSync(fd);
});

test("lease() of somebody else's file is EACCES", { needs: ["engine", "root"] }, async () => {
  const path = join("/dev/shm", `sluice-lease-${process.pid}`);
  fs.writeFileSync(path, "content");
  try {
    (await lease(path, "read")).release();
    process.seteuid?.(65534);
    const error = await failure(() => lease(path, "read"));
    assert.is(error.code, "EACCES");
    assert.match(error.message, /owner/);
  } finally {
    process.seteuid?.(0);
    fs.unlinkSync(path);
  }
});

test("lease() of what is no regular file is ERR_SLUICE_UNSUPPORTED with the cause", { needs: ["engine"] }, async () => {
  for (const path of [tempFolder(), "/dev/null"]) {
    const error = await failure(() => lease(path, "read"));
    assert.is(error.code, "ERR_SLUICE_UNSUPPORTED");
    assert.instance(error.cause, TransferError);
    assert.is((error.cause as TransferError).code, "EINVAL");
  }
});

test("lease() without the engine is ERR_SLUICE_UNSUPPORTED", { alone: true }, async () => {
  process.env["SLUICE_DISABLE_NATIVE"] = "1";
  assert.is((await failure(() => lease(tempFile("content"), "read"))).code, "ERR_SLUICE_UNSUPPORTED");
});

test("lease() refuses arguments of a wrong type or range", { needs: ["engine"] }, async () => {
  const path = tempFile("content");
  const loose = lease as (...args: unknown[]) => Promise<unknown>;
  for (const args of [[path, "both"], [path], [{}, "read"], [undefined, "read"], [path, "read", null]])
    assert.instance(await rejection(() => loose(...args)), TypeError);
  for (const holdMs of [0, -1, 0.5])
    assert.instance(await rejection(() => lease(path, "read", { holdMs })), RangeError);
  assert.is((await failure(() => lease(join(path, "missing"), "read"))).code, "ENOTDIR");
  assert.is((await failure(() => lease(987_654, "read"))).code, "EBADF");
});
