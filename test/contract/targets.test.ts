/** CASES.md D: files, devices and pipes as targets. */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { open } from "node:fs/promises";
import { createServer } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import process from "node:process";
import { transfer } from "sluice";
import { assert, test } from "../support/contract.ts";
import { mountTmpfs } from "./support/limits.ts";
import { tempFolder } from "../support/temp.ts";
import { arrivals } from "./support/connection.ts";
import { fdInfo, fifo, openFds, pipe } from "./support/descriptors.ts";
import { readPipe } from "./support/ends.ts";
import { assertBytes, data, dataFile, KiB, MiB } from "./support/files.ts";
import { aWhile, failure, watch } from "./support/outcome.ts";

test("transfer() to an fd opened with O_APPEND appends (45)", {}, async () => {
  const folder = tempFolder();
  const { path, content } = dataFile(folder, 300_001);
  const into = join(folder, "log");
  fs.writeFileSync(into, "begin ");
  const target = fs.openSync(into, "a");
  for (const options of [{}, { offset: 300_000 }]) await transfer(path, target, options);
  fs.closeSync(target);
  assertBytes(fs.readFileSync(into), Buffer.concat([Buffer.from("begin "), content, content.subarray(300_000)]));
});

test("transfer() to an fd continues at its own position and advances it (46)", {}, async () => {
  const folder = tempFolder();
  const { path } = dataFile(folder, 10);
  fs.writeFileSync(path, "the world");
  const into = join(folder, "target");
  const target = fs.openSync(into, "w");
  fs.writeSync(target, "hello ");
  await transfer(path, target, { offset: 4 });
  fs.writeSync(target, "!");
  fs.closeSync(target);
  assert.is(fs.readFileSync(into, "utf8"), "hello world!");
});

test("transfer() of two files to one FileHandle puts one behind the other (46)", {}, async () => {
  const folder = tempFolder();
  const one = dataFile(folder, 3 * MiB + 5, 1);
  const two = dataFile(folder, 2 * MiB + 9, 2);
  const into = join(folder, "target");
  const target = await open(into, "w");
  await transfer(one.path, target);
  await transfer(two.path, target);
  assert.is(fdInfo(target.fd).position, 5 * MiB + 14);
  await target.close();
  assertBytes(fs.readFileSync(into), Buffer.concat([one.content, two.content]));
});

test("transfer() to an offset beyond the target's size leaves a hole and the position alone (47)", {}, async () => {
  const folder = tempFolder();
  const { path, content } = dataFile(folder, 5000);
  const into = join(folder, "target");
  const target = fs.openSync(into, "w");
  fs.writeSync(target, "abc");
  await transfer(path, target, { targetOffset: 1003 });
  assert.is(fdInfo(target).position, 3);
  fs.closeSync(target);
  assertBytes(fs.readFileSync(into), Buffer.concat([Buffer.from("abc"), Buffer.alloc(1000), content]));
});

test("transfer() to a path creates it, and empties an existing one", {}, async () => {
  const folder = tempFolder();
  const { path, content } = dataFile(folder, 5000);
  const into = join(folder, "target");
  for (const before of [undefined, data(9000, 2)]) {
    if (before !== undefined) fs.writeFileSync(into, before);
    await transfer(path, into);
    assertBytes(fs.readFileSync(into), content);
  }
});

test("transfer() to a path with a targetOffset keeps what else is in the file", {}, async () => {
  const folder = tempFolder();
  const { path, content } = dataFile(folder, 5000);
  const into = join(folder, "target");
  const before = data(9000, 2);
  fs.writeFileSync(into, before);
  await transfer(path, into, { targetOffset: 2000 });
  assertBytes(fs.readFileSync(into), Buffer.concat([before.subarray(0, 2000), content, before.subarray(7000)]));
});

test("transfer() to another filesystem works without a word about it (49)", { needs: ["tmpfs"] }, async () => {
  const disk = tempFolder();
  const memory = tempFolder("/dev/shm");
  const { path, content } = dataFile(disk, 5 * MiB + 1);
  await transfer(path, join(memory, "there"));
  await transfer(join(memory, "there"), join(disk, "back"));
  assertBytes(fs.readFileSync(join(disk, "back")), content);
});

test("transfer() to /dev/full is ENOSPC with no byte moved (50)", {}, async () => {
  const { path } = dataFile(tempFolder(), MiB);
  const error = await failure(() => transfer(path, "/dev/full"));
  assert.is(error.code, "ENOSPC");
  assert.is(error.bytesTransferred, 0);
});

test("transfer() to a full filesystem is ENOSPC and counts what fitted (50)", { needs: ["root"] }, async () => {
  const { path, content } = dataFile(tempFolder(), 8 * MiB);
  const into = join(mountTmpfs("4m"), "target");
  const error = await failure(() => transfer(path, into));
  assert.is(error.code, "ENOSPC");
  const { size } = fs.statSync(into);
  assert.is(error.bytesTransferred, size);
  assert.ok(size > 0 && size <= 4 * MiB);
  assertBytes(fs.readFileSync(into), content.subarray(0, size));
});

test("transfer() beyond RLIMIT_FSIZE is EFBIG and the process lives (50)", {}, async () => {
  const folder = tempFolder();
  const { path } = dataFile(folder, 8 * MiB);
  const into = join(folder, "target");
  const limit = (bytes: number | "unlimited") => execFileSync("prlimit", [`--pid=${process.pid}`, `--fsize=${bytes}:`]);
  limit(2 * MiB);
  const error = await failure(() => transfer(path, into));
  // A runtime writes files of its own too, to its caches, and would die of it later.
  limit("unlimited");
  assert.is(error.code, "EFBIG");
  assert.is(error.bytesTransferred, 2 * MiB);
  assert.is(fs.statSync(into).size, 2 * MiB);
});

test("transfer() to /dev/null takes everything (51)", {}, async () => {
  const { path } = dataFile(tempFolder(), 9 * MiB + 1);
  assert.is((await transfer(path, "/dev/null")).bytes, 9 * MiB + 1);
});

test("transfer() to an fd open for reading alone is EBADF (52)", {}, async () => {
  const folder = tempFolder();
  const { path } = dataFile(folder, 100);
  const target = fs.openSync(path, "r");
  const error = await failure(() => transfer(path, target));
  assert.is(error.code, "EBADF");
  assert.is(error.bytesTransferred, 0);
  fs.closeSync(target);
});

test("transfer() to a number that nothing is open under is EBADF (52)", {}, async () => {
  const { path } = dataFile(tempFolder(), 100);
  assert.is((await failure(() => transfer(path, 99_999))).code, "EBADF");
});

test("transfer() to a directory is EISDIR (52)", {}, async () => {
  const folder = tempFolder();
  const { path } = dataFile(folder, 100);
  const fd = fs.openSync(folder, "r");
  for (const target of [folder, fd]) assert.is((await failure(() => transfer(path, target))).code, "EISDIR");
  fs.closeSync(fd);
});

test("transfer() to a path in a missing folder is ENOENT (52)", {}, async () => {
  const folder = tempFolder();
  const { path } = dataFile(folder, 100);
  assert.is((await failure(() => transfer(path, join(folder, "missing", "target")))).code, "ENOENT");
});

for (const nonblocking of [false, true]) {
  const mode = nonblocking ? "non-blocking" : "blocking";

  test(`transfer() to a full ${mode} pipe waits for its reader and keeps its flags (53)`, {}, async () => {
    const folder = tempFolder();
    const { path, content } = dataFile(folder, 300_007);
    const { reader, writer } = pipe(folder, { nonblocking });
    const flags = fdInfo(writer).flags;
    const sending = transfer(path, writer);
    const state = watch(sending);
    await aWhile();
    assert.not.ok(state.settled, "nobody has read yet");
    const twin = fs.openSync(`/proc/self/fd/${reader}`, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
    const received = readPipe(twin, content.length);
    const report = await sending;
    assert.is(report.bytes, content.length);
    assert.ok(report.syscalls < 10_000, `${report.syscalls} system calls: it did not wait but poll`);
    assert.is(fdInfo(writer).flags, flags);
    assertBytes(await received, content);
    for (const fd of [reader, twin, writer]) fs.closeSync(fd);
  });

  test(`transfer() to a ${mode} pipe whose reader goes away is EPIPE and the process lives (53)`, {}, async () => {
    const folder = tempFolder();
    const { path } = dataFile(folder, 300_007);
    const { reader, writer } = pipe(folder, { nonblocking });
    const sending = failure(() => transfer(path, writer));
    await aWhile();
    fs.closeSync(reader);
    const error = await sending;
    assert.is(error.code, "EPIPE");
    assert.ok(error.bytesTransferred <= 64 * KiB, "no more than a pipe holds");
    fs.closeSync(writer);
  });
}

test(
  "transfer() to a listening socket is ENOTCONN and the process lives (54)",
  { needs: ["engine", "proc"] },
  async () => {
    const { path } = dataFile(tempFolder(), 100);
    const before = new Set(openFds().values());
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const [fd] = [...openFds()].find(([, what]) => what.startsWith("socket:") && !before.has(what)) ?? [];
    if (fd === undefined) throw new Error("The listening socket's descriptor was not found");
    assert.is((await failure(() => transfer(path, fd))).code, "ENOTCONN");
    server.close();
  },
);

test("transfer() to a Unix socket sends it like to a TCP one (59)", {}, async () => {
  const folder = tempFolder();
  const { path, content } = dataFile(folder, 3 * MiB + 1);
  const { result, received } = await arrivals((socket) => transfer(path, socket), join(folder, "socket"));
  assert.is(result.bytes, content.length);
  assertBytes(received, content);
});

const overlaps: readonly (readonly [string, number, number, number])[] = [
  ["onto itself", 0, 100_000, 0],
  ["forwards into itself", 0, 50_000, 49_999],
  ["backwards into itself", 49_999, 50_000, 0],
];
for (const [name, offset, length, targetOffset] of overlaps) {
  test(`transfer() of a file ${name} is ERR_SLUICE_OVERLAP and changes nothing`, {}, async () => {
    const { path, content } = dataFile(tempFolder(), 100_000);
    const error = await failure(() => transfer(path, path, { offset, length, targetOffset }));
    assert.is(error.code, "ERR_SLUICE_OVERLAP");
    assertBytes(fs.readFileSync(path), content);
  });
}

test(
  "transfer() of a file to its own path, which would be emptied, is ERR_SLUICE_OVERLAP and harmless",
  {},
  async () => {
    const folder = tempFolder();
    const { path, content } = dataFile(folder, 100_000);
    fs.symlinkSync(path, join(folder, "symbolic"));
    fs.linkSync(path, join(folder, "hard"));
    const fd = fs.openSync(path, "r");
    for (const source of [path, join(folder, "symbolic"), join(folder, "hard"), fd]) {
      assert.is((await failure(() => transfer(source, path))).code, "ERR_SLUICE_OVERLAP");
      assertBytes(fs.readFileSync(path), content);
    }
    fs.closeSync(fd);
  },
);

test("transfer() between ranges of one file that do not overlap copies within it", {}, async () => {
  const { path, content } = dataFile(tempFolder(), 100_000);
  await transfer(path, path, { offset: 0, length: 40_000, targetOffset: 60_000 });
  assertBytes(fs.readFileSync(path), Buffer.concat([content.subarray(0, 60_000), content.subarray(0, 40_000)]));
});

test("transfer() to a FIFO without a reader waits for one, and can be aborted (53)", {}, async () => {
  const folder = tempFolder();
  const { path, content } = dataFile(folder, 300_007);
  const abort = new AbortController();
  const abandoned = failure(() => transfer(path, fifo(folder), { signal: abort.signal }));
  const target = fifo(folder);
  const sending = transfer(path, target);
  const state = watch(sending);
  await aWhile();
  assert.not.ok(state.settled);
  abort.abort();
  assert.is((await abandoned).code, "ABORT_ERR");
  // Without O_NONBLOCK the open would wait for the writer, which waits for the event loop.
  const reader = fs.openSync(target, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  const received = readPipe(reader, content.length);
  assert.is((await sending).bytes, content.length);
  assertBytes(await received, content);
  fs.closeSync(reader);
});
