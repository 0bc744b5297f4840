/** openFile() and FileChannel: what Java's FileChannel promises. */
import * as fs from "node:fs";
import { join } from "node:path";
import { openFile, type Report, type Strategy, transfer } from "sluice";
import { assert, test } from "../support/contract.ts";
import { takeFdCensus } from "../support/fds.ts";
import { tempFolder } from "../support/temp.ts";
import { connect, readExactly } from "./support/connection.ts";
import { assertBytes, data, dataFile, GiB, KiB, MiB, readRange, sparseFile } from "./support/files.ts";
import { aWhile, failure, rejection, watch } from "./support/outcome.ts";

const text = (word: string): Uint8Array => new TextEncoder().encode(word);
const engine = { needs: ["engine"] } as const;

/** A path in a folder of its own, with content if there is any. */
function file(content?: string | Uint8Array): string {
  const path = join(tempFolder(), "file");
  if (content !== undefined) fs.writeFileSync(path, content);
  return path;
}

test("openFile() opens as fs.open does, and says why not", {}, async () => {
  const folder = tempFolder();
  const path = join(folder, "new");
  assert.is((await failure(() => openFile(path))).code, "ENOENT");
  {
    await using made = await openFile(path, "wx", 0o600);
    assert.is(await made.size(), 0);
  }
  assert.is(fs.statSync(path).mode & 0o777, 0o600);
  assert.is((await failure(() => openFile(path, "wx"))).code, "EEXIST");
  assert.is((await failure(() => openFile(folder))).code, "EISDIR");
  assert.is((await rejection(() => openFile(path, "rw"))).code, "ERR_INVALID_ARG_VALUE");
  assert.is((await failure(() => openFile("/dev/null"))).code, "ERR_SLUICE_UNSUPPORTED");
});

test("read() and write() move the position, those with a position leave it", {}, async () => {
  const path = file("0123456789");
  await using channel = await openFile(path, "r+");
  const buffer = new Uint8Array(4);
  assert.is(await channel.read(buffer), 4);
  assert.is(channel.position, 4);
  assert.is(await channel.read(buffer, 8), 2);
  assert.equal([...buffer.subarray(0, 2)], [...text("89")]);
  assert.is(channel.position, 4);
  assert.is(await channel.write(text("ab")), 2);
  assert.is(channel.position, 6);
  assert.is(await channel.write(text("cd"), 0), 2);
  assert.is(channel.position, 6);
  assert.is(fs.readFileSync(path, "utf8"), "cd23ab6789");
});

test("read() at the end and past it answers 0", {}, async () => {
  await using channel = await openFile(file("abc"));
  const buffer = new Uint8Array(4);
  for (const position of [3, 4, 5 * GiB]) assert.is(await channel.read(buffer, position), 0);
  channel.position = 3;
  assert.is(await channel.read(buffer), 0);
  assert.is(await channel.read(new Uint8Array(0), 0), 0);
});

test("calls without a position are done one after the other", {}, async () => {
  const path = file("");
  await using channel = await openFile(path, "r+");
  const words = Array.from({ length: 50 }, (_, i) => `${i};`);
  await Promise.all(words.map((word) => channel.write(text(word))));
  assert.is(fs.readFileSync(path, "utf8"), words.join(""));
  assert.is(channel.position, words.join("").length);
});

test("write() past the end leaves a hole of zeros", {}, async () => {
  const path = file("ab");
  await using channel = await openFile(path, "r+");
  channel.position = 5;
  assert.is(await channel.size(), 2);
  await channel.write(text("c"));
  assert.is(fs.readFileSync(path, "utf8"), "ab\0\0\0c");
});

test("a channel that appends writes at the end, whatever the position", engine, async () => {
  const path = file("ab");
  await using channel = await openFile(path, "a+");
  await channel.write(text("cd"));
  assert.is(channel.position, 4);
  channel.position = 0;
  await channel.write(text("ef"));
  assert.is(channel.position, 6);
  assert.is(await channel.write(text("gh"), 1), 2);
  assert.is(await channel.transferFrom(text("ij"), 0, 2), 2);
  await using source = await openFile(file("kl"));
  assert.is(await source.transferTo(0, 2, channel), 2);
  assert.is(channel.position, 12);
  assert.is(fs.readFileSync(path, "utf8"), "abcdefghijkl");
});

test("truncate() cuts, never lengthens, and takes the position along", {}, async () => {
  const path = file("0123456789");
  await using channel = await openFile(path, "r+");
  channel.position = 8;
  await channel.truncate(20);
  assert.is(await channel.size(), 10);
  assert.is(channel.position, 8);
  await channel.truncate(4);
  assert.is(fs.readFileSync(path, "utf8"), "0123");
  assert.is(channel.position, 4);
  channel.position = 9;
  await channel.truncate(6);
  assert.is(await channel.size(), 4);
  assert.is(channel.position, 6);
});

test("force() writes to the disk, with and without the times", {}, async () => {
  await using channel = await openFile(file("ab"), "r+");
  await channel.write(text("c"));
  await channel.force();
  await channel.force(false);
});

test("transferTo() sends ranges, cut at the end, and leaves the position", engine, async () => {
  const { path, content } = dataFile(tempFolder(), 300 * KiB);
  await using channel = await openFile(path);
  channel.position = 7;
  for (const [position, count] of [
    [0, 10],
    [4097, 100_000],
    [300 * KiB - 5, 1000],
    [300 * KiB, 10],
    [300 * KiB + 1, 10],
    [5, Infinity],
    [5, 0],
  ] as const) {
    const target = file();
    const expected = content.subarray(position, position + count);
    assert.is(await channel.transferTo(position, count, target), expected.length);
    assertBytes(fs.readFileSync(target), expected, `${position}+${count}`);
  }
  assert.is(channel.position, 7);
});

test("transferTo() sends to a socket", engine, async () => {
  const { path, content } = dataFile(tempFolder(), 2 * MiB);
  await using channel = await openFile(path);
  using link = await connect();
  const [bytes, received] = await Promise.all([channel.transferTo(MiB, MiB, link.socket), readExactly(link.peer, MiB)]);
  assert.is(bytes, MiB);
  assertBytes(received, content.subarray(MiB));
});

test("transferTo() and transferFrom() give their reports to onReport", engine, async () => {
  const path = file();
  await using source = await openFile(file("0123456789"));
  await using target = await openFile(path, "w+");
  const reports: Report[] = [];
  const onReport = (report: Report) => reports.push(report);
  assert.is(await source.transferTo(2, 3, path, { onReport }), 3);
  assert.is(await source.transferTo(2, 4, target, { onReport, strategy: "buffered" }), 4);
  assert.is(await target.transferFrom(source, 4, 5, { onReport, strategy: "mapped" }), 5);
  assert.is(await target.transferFrom(source, 100, 5, { onReport }), 0);
  assert.equal(
    reports.map(({ bytes, strategy }) => [bytes, strategy]),
    [
      [3, reports[0]?.strategy],
      [4, "buffered"],
      [5, "mapped"],
    ],
  );
  // The bytes have moved, and the position with them, whatever becomes of the call.
  const refuse = () => {
    throw new Error("refused");
  };
  target.position = 0;
  assert.match(String(await rejection(() => source.transferTo(0, 2, target, { onReport: refuse }))), /refused/);
  assert.is(target.position, 2);
  assert.is(fs.readFileSync(path, "utf8"), "014501234");
});

test("transferTo() and transferFrom() between channels use the other one's position and move it", engine, async () => {
  const path = file();
  await using source = await openFile(file("0123456789"));
  await using target = await openFile(path, "w+");
  assert.is(await source.transferTo(2, 3, target), 3);
  assert.is(await source.transferTo(7, 100, target), 3);
  assert.equal([source.position, target.position], [0, 6]);
  assert.is(fs.readFileSync(path, "utf8"), "234789");
  source.position = 8;
  assert.is(await target.transferFrom(source, 1, 100), 2);
  assert.equal([source.position, target.position], [10, 6]);
  assert.is(fs.readFileSync(path, "utf8"), "289789");
  assert.is(await target.transferFrom(source, 0, 100), 0, "the source is at its end");
});

test("transferFrom() past the end of the file takes nothing", engine, async () => {
  const path = file("ab");
  await using target = await openFile(path, "r+");
  await using source = await openFile(file("0123"));
  assert.is(await target.transferFrom(source, 3, 4), 0);
  assert.is(source.position, 0);
  assert.is(await target.transferFrom(source, 2, 4), 4);
  assert.is(fs.readFileSync(path, "utf8"), "ab0123");
});

test("transferFrom() takes from a stream no more than it is asked for", engine, async () => {
  const path = file("");
  const content = data(100_000);
  await using target = await openFile(path, "r+");
  using link = await connect();
  link.peer.write(content);
  assert.is(await target.transferFrom(link.socket, 0, 60_000), 60_000);
  assertBytes(fs.readFileSync(path), content.subarray(0, 60_000));
});

test("positions past 2 GiB and 4 GiB are exact", { needs: ["engine"], timeoutMs: 60_000 }, async () => {
  const places = [2 * GiB - 1, 2 * GiB, 2 * GiB + 1, 4 * GiB - 1, 4 * GiB, 4 * GiB + 1, 6 * GiB - 10];
  const pieces = Object.fromEntries(places.map((place, i) => [place, data(1, i + 1)]));
  const path = sparseFile(join(tempFolder(), "sparse"), 6 * GiB, pieces);
  await using channel = await openFile(path, "r+");
  assert.is(await channel.size(), 6 * GiB);
  const buffer = new Uint8Array(10);
  for (const place of places) {
    const expected = readRange(path, place, 10);
    assert.is(await channel.read(buffer, place), 10);
    assertBytes(Buffer.from(buffer), expected, `read at ${place}`);
    const target = file();
    assert.is(await channel.transferTo(place, 10, target), 10);
    assertBytes(fs.readFileSync(target), expected, `transferTo at ${place}`);
  }
  assert.is(await channel.transferFrom(text("0123456789"), 4 * GiB - 5, 10), 10);
  assert.is(readRange(path, 4 * GiB - 5, 10).toString(), "0123456789");
  channel.position = 5 * GiB;
  assert.is(await channel.write(text("end")), 3);
  assert.is(channel.position, 5 * GiB + 3);
  assert.is(readRange(path, 5 * GiB, 3).toString(), "end");
  assert.is(await channel.size(), 6 * GiB);
});

test("map() shows the file, and outlives the channel", engine, async () => {
  const { path, content } = dataFile(tempFolder(), 10_000);
  const channel = await openFile(path);
  using mapped = channel.map("read", 4097, 100);
  await channel.close();
  assertBytes(Buffer.from(mapped.bytes), content.subarray(4097, 4197));
});

test("negative and fractional positions and counts are refused before anything is done", {}, async () => {
  const path = file("abc");
  await using channel = await openFile(path, "r+");
  const buffer = new Uint8Array(1);
  const range = (call: () => Promise<unknown>) =>
    rejection(call).then((error) => assert.is(error.code, "ERR_OUT_OF_RANGE"));
  for (const bad of [-1, -1n, 0.5, NaN, 2 ** 53]) {
    await range(() => channel.read(buffer, bad));
    await range(() => channel.write(buffer, bad));
    await range(() => channel.truncate(bad));
    await range(() => channel.transferTo(bad, 1, "/dev/null"));
    await range(() => channel.transferTo(0, bad, "/dev/null"));
    await range(() => channel.transferFrom(buffer, bad, 1));
    await range(() => channel.transferFrom(buffer, 0, bad));
    await range(() => channel.lock(bad));
    await range(() => channel.lock(0, bad));
    await range(async () => (channel.position = bad as number));
  }
  assert.is(fs.readFileSync(path, "utf8"), "abc");
  assert.is(channel.position, 0);
});

test("what the file is not open for is EBADF", engine, async () => {
  const path = file("abc");
  const buffer = new Uint8Array(1);
  await using reader = await openFile(path);
  await using writer = await openFile(path, fs.constants.O_WRONLY);
  const refused: readonly (() => Promise<unknown>)[] = [
    () => reader.write(buffer),
    () => reader.truncate(0),
    () => reader.transferFrom(buffer, 0, 1),
    () => writer.transferTo(0, 1, reader),
    () => reader.transferTo(0, 1, reader),
    () => writer.read(buffer),
    () => reader.transferFrom(writer, 0, 1),
    () => reader.lock(),
    () => writer.lock(0, 1, true),
  ];
  for (const call of refused) assert.is((await failure(call)).code, "EBADF", call.toString());
  assert.is(fs.readFileSync(path, "utf8"), "abc");
});

test("a closed channel is ERR_SLUICE_CLOSED, but for close()", engine, async () => {
  const path = file("abc");
  await using open = await openFile(path, "r+");
  const closed = await openFile(path, "r+");
  const lock = await closed.lock();
  await closed.close();
  await closed.close();
  assert.not.ok(closed.isOpen);
  assert.not.ok(lock.isValid);
  lock.release();
  const buffer = new Uint8Array(1);
  const calls: readonly (() => Promise<unknown>)[] = [
    () => closed.size(),
    () => closed.read(buffer),
    () => closed.write(buffer),
    () => closed.truncate(0),
    () => closed.force(),
    () => closed.transferTo(0, 1, open),
    () => open.transferTo(0, 1, closed),
    () => closed.transferFrom(open, 0, 1),
    () => open.transferFrom(closed, 0, 1),
    () => closed.lock(),
    async () => closed.tryLock(),
    async () => closed.map(),
    async () => closed.position,
    async () => closed.fd,
  ];
  for (const call of calls) assert.is((await failure(call)).code, "ERR_SLUICE_CLOSED", call.toString());
});

test(
  "close() waits for what is under way, and leaves no descriptor",
  { alone: true, needs: ["engine", "proc"] },
  async () => {
    const { path, content } = dataFile(tempFolder(), 8 * MiB);
    const target = file();
    await (await openFile(path)).close();
    const census = await takeFdCensus();
    const channel = await openFile(path);
    const moving = channel.transferTo(0, Infinity, target);
    await channel.close();
    assert.is(await moving, content.length);
    assertBytes(fs.readFileSync(target), content);
    await census.assertUnchanged();
  },
);

test("read() and write() take bytes alone, and do nothing with anything else", {}, async () => {
  const path = file("abc");
  await using channel = await openFile(path, "r+");
  for (const wrong of ["text", undefined, null, 5, [1, 2], new ArrayBuffer(3), { byteLength: 3 }]) {
    const buffer = wrong as unknown as Uint8Array;
    for (const call of [
      () => channel.write(buffer),
      () => channel.write(buffer, 1),
      () => channel.read(buffer),
      () => channel.read(buffer, 1),
    ])
      assert.is((await rejection(call)).code, "ERR_INVALID_ARG_TYPE", String(wrong));
  }
  assert.equal([fs.readFileSync(path, "utf8"), channel.position], ["abc", 0]);
});

test("a lock of size 0 reaches to the end of the file, wherever that comes to be", engine, async () => {
  const path = file("0123456789");
  await using one = await openFile(path, "r+");
  await using other = await openFile(path, "r+");
  const lock = one.tryLock(50, 0);
  assert.equal([lock?.position, lock?.size], [50, Infinity]);
  assert.is((await failure(async () => one.tryLock(60, 5))).code, "ERR_SLUICE_OVERLAP");
  assert.is((await failure(() => one.lock(100, 0))).code, "ERR_SLUICE_OVERLAP");
  assert.is(other.tryLock(1000, 1), undefined);
  using before = other.tryLock(0, 50);
  assert.ok(before);
  lock?.release();
  using after = await other.lock(1000, 0);
  assert.is(after.size, Infinity);
});

test("what a caller does to his options after the call is nothing to it", { needs: ["engine"] }, async () => {
  const folder = tempFolder();
  const { path, content } = dataFile(folder, 300 * KiB);
  const strategy: Strategy[] = ["buffered"];
  const options = { strategy, atomic: false };
  const change = () => {
    strategy[0] = "reflink";
    options.atomic = true;
  };
  const sending = transfer(path, join(folder, "a"), options);
  change();
  assert.is((await sending).strategy, "buffered");
  strategy[0] = "buffered";
  await using source = await openFile(path);
  await using target = await openFile(join(folder, "b"), "w");
  const before = target.write(content);
  let report: Report | undefined;
  const asked = { strategy, onReport: (told: Report) => (report = told) };
  const queued = source.transferTo(0, Infinity, target, asked);
  change();
  await before;
  assert.is(await queued, content.length);
  assert.is(report?.strategy, "buffered");
});

test("tryLock() excludes other channels where the ranges overlap", engine, async () => {
  const path = file("0123456789");
  await using one = await openFile(path, "r+");
  await using other = await openFile(path, "r+");
  const lock = one.tryLock(2, 4);
  assert.ok(lock?.isValid);
  assert.equal([lock?.position, lock?.size, lock?.shared], [2, 4, false]);
  assert.is(other.tryLock(5, 1), undefined);
  assert.is(other.tryLock(), undefined);
  assert.is(other.tryLock(0, 3, true), undefined);
  using beside = other.tryLock(6, 10);
  assert.ok(beside);
  lock?.release();
  lock?.release();
  assert.not.ok(lock?.isValid);
  using now = other.tryLock(2, 4);
  assert.ok(now);
});

test("shared locks go together, exclusive ones do not", engine, async () => {
  const path = file("0123456789");
  await using one = await openFile(path, "r+");
  await using other = await openFile(path);
  using first = one.tryLock(0, 10, true);
  using second = other.tryLock(0, 10, true);
  assert.ok(first?.shared && second?.shared);
  await using third = await openFile(path, "r+");
  assert.is(third.tryLock(0, 1), undefined);
});

test("locks of one channel that overlap are ERR_SLUICE_OVERLAP", engine, async () => {
  await using channel = await openFile(file("0123456789"), "r+");
  using lock = await channel.lock(0, 5);
  assert.ok(lock.isValid);
  assert.is((await failure(() => channel.lock(4, 1))).code, "ERR_SLUICE_OVERLAP");
  assert.is((await failure(async () => channel.tryLock())).code, "ERR_SLUICE_OVERLAP");
  using next = channel.tryLock(5, 5);
  assert.ok(next);
});

test("lock() waits for the other channel without holding up the event loop", engine, async () => {
  const path = file("0123456789");
  await using one = await openFile(path, "r+");
  await using other = await openFile(path, "r+");
  const held = await one.lock(0, 5);
  const waiting = other.lock(4, Infinity);
  const state = watch(waiting);
  await aWhile();
  assert.not.ok(state.settled);
  held.release();
  using got = await waiting;
  assert.is(got.size, Infinity);
  assert.is(one.tryLock(100 * GiB, 1), undefined, "it reaches past the end");
});

test("closing a channel ends its wait for a lock, and releases what it holds", engine, async () => {
  const path = file("0123456789");
  await using one = await openFile(path, "r+");
  const other = await openFile(path, "r+");
  using held = await one.lock(0, 5);
  const kept = await other.lock(5, 5);
  const waiting = failure(() => other.lock(0, 5));
  await aWhile();
  await other.close();
  assert.is((await waiting).code, "ERR_SLUICE_CLOSED");
  assert.ok(held.isValid && !kept.isValid);
  using now = one.tryLock(5, 5);
  assert.ok(now);
});
