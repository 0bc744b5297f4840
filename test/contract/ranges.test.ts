/** CASES.md A: ranges and sizes, from a file to a TCP socket unless said otherwise. */
import * as fs from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { transfer, type TransferOptions } from "sluice";
import { assert, test } from "../support/contract.ts";
import { collect, digest, sha256 } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";
import { arrivals, connect, readExactly } from "./support/connection.ts";
import { fdInfo } from "./support/descriptors.ts";
import { assertBytes, dataFile, MiB, readRange } from "./support/files.ts";
import { failure, rejection } from "./support/outcome.ts";

for (const size of [131_088, 48 * MiB]) {
  test(`transfer() of ${size} bytes to a peer that reads in small steps arrives whole (1)`, {}, async () => {
    const { path, content } = dataFile(tempFolder(), size);
    using link = await connect();
    const sending = transfer(path, link.socket);
    const first = await readExactly(link.peer, 4096);
    const rest = digest(link.peer);
    const { bytes } = await sending;
    link.socket.end();
    assert.is(bytes, size);
    assertBytes(first, content.subarray(0, 4096));
    assert.equal(await rest, { bytes: size - 4096, sha256: sha256(content.subarray(4096)) });
  });
}

test("transfer() of length 0 moves nothing and leaves the socket usable (2)", {}, async () => {
  const { path } = dataFile(tempFolder(), 5000);
  const { result, received } = await arrivals(async (socket) => {
    const report = await transfer(path, socket, { length: 0 });
    socket.write("usable");
    return report;
  });
  assert.is(result.bytes, 0);
  assert.is(result.strategy, undefined);
  assert.is(received.toString(), "usable");
});

test("transfer() of length 0 still refuses an unreadable source (2, 33)", { needs: ["engine"] }, async () => {
  const { path } = dataFile(tempFolder(), 5000);
  const source = fs.openSync(path, "a");
  using link = await connect();
  const error = await failure(() => transfer(source, link.socket, { length: 0 }));
  assert.is(error.code, "EBADF");
  assert.is(error.bytesTransferred, 0);
});

test("transfer() of an empty file moves nothing and does not end the socket (3)", {}, async () => {
  const path = join(tempFolder(), "empty");
  fs.writeFileSync(path, "");
  const { result, received } = await arrivals(async (socket) => {
    const report = await transfer(path, socket);
    socket.write("still open");
    return report;
  });
  assert.is(result.bytes, 0);
  assert.is(received.toString(), "still open");
});

const size = 20_000;

const pastTheEnd: readonly (readonly [string, TransferOptions])[] = [
  ["an offset of the size (4)", { offset: size }],
  ["an offset past the end (5)", { offset: size + 1 }],
  ["an offset far past the end and a length (5)", { offset: size + 1000, length: 40_000 }],
  ["the greatest safe offset (11)", { offset: Number.MAX_SAFE_INTEGER }],
  ["the greatest safe offset and length (11)", { offset: Number.MAX_SAFE_INTEGER, length: Number.MAX_SAFE_INTEGER }],
];
for (const [name, options] of pastTheEnd) {
  test(`transfer() with ${name} resolves with nothing moved`, {}, async () => {
    const { path } = dataFile(tempFolder(), size);
    const { result, received } = await arrivals((socket) => transfer(path, socket, options));
    assert.is(result.bytes, 0);
    assert.is(received.length, 0);
  });
}

for (const length of [size + 1, size + 7, Number.MAX_SAFE_INTEGER, Infinity, BigInt(size + 1)]) {
  test(`transfer() clamps a length of ${typeof length} ${length} to the end (6)`, {}, async () => {
    const { path, content } = dataFile(tempFolder(), size);
    const whole = await arrivals((socket) => transfer(path, socket, { length }));
    assert.is(whole.result.bytes, size);
    assertBytes(whole.received, content);
    const tail = await arrivals((socket) => transfer(path, socket, { offset: 19_990, length }));
    assert.is(tail.result.bytes, 10);
    assertBytes(tail.received, content.subarray(19_990));
  });
}

for (const whole of [1, 42, 1025, 4097, 32_769]) {
  test(`transfer() of a part of ${whole} bytes sends not a byte more (7)`, {}, async () => {
    const { path, content } = dataFile(tempFolder(), whole);
    for (const length of [whole - 1, Math.floor(whole / 2)]) {
      const { result, received } = await arrivals((socket) => transfer(path, socket, { length }));
      assert.is(result.bytes, length);
      assertBytes(received, content.subarray(0, length));
    }
  });
}

/** 0 to 9, and around every power of two up to 2^14. */
const boundaries = [
  ...Array(10).keys(),
  ...Array.from({ length: 11 }, (_, i) => 2 ** (i + 4)).flatMap((n) => [n - 1, n, n + 1]),
];

test("transfer() sends every pair of offset and length around powers of two byte by byte (8)", {}, async () => {
  const { path, content } = dataFile(tempFolder(), size);
  const pairs = boundaries.flatMap((offset) => boundaries.map((length) => ({ offset, length })));
  const expected = pairs.map(({ offset, length }) => content.subarray(offset, offset + length));
  const source = fs.openSync(path, "r");
  const { result, received } = await arrivals(async (socket) => {
    const counts: number[] = [];
    for (const pair of pairs) counts.push((await transfer(source, socket, pair)).bytes);
    return counts;
  });
  fs.closeSync(source);
  assert.equal(
    result,
    expected.map((part) => part.length),
  );
  assert.is(sha256(received), sha256(Buffer.concat(expected)));
  assert.is(sha256(fs.readFileSync(path)), sha256(content));
});

test("transfer() writes every such range into a file and nothing beside it (8)", {}, async () => {
  const folder = tempFolder();
  const { path, content } = dataFile(folder, size);
  const into = join(folder, "target");
  const blank = Buffer.alloc(40_000, 0xee);
  for (const offset of boundaries) {
    fs.writeFileSync(into, blank);
    const expected = Buffer.from(blank);
    for (const length of boundaries.filter((_, i) => i % 3 === 0)) {
      const { bytes } = await transfer(path, into, { offset, length, targetOffset: length });
      assert.is(bytes, content.copy(expected, length, offset, offset + length));
    }
    assert.is(sha256(fs.readFileSync(into)), sha256(expected), `at offset ${offset}`);
  }
});

test("transfer() sends an unaligned range (9)", {}, async () => {
  const { path, content } = dataFile(tempFolder(), size);
  const { result, received } = await arrivals((socket) => transfer(path, socket, { offset: 1000, length: 2000 }));
  assert.is(result.bytes, 2000);
  assertBytes(received, content.subarray(1000, 3000));
});

const wrong: readonly (readonly [unknown, ErrorConstructor, string])[] = [
  [-1, RangeError, "ERR_OUT_OF_RANGE"],
  [-1n, RangeError, "ERR_OUT_OF_RANGE"],
  [Number.NaN, RangeError, "ERR_OUT_OF_RANGE"],
  [0.5, RangeError, "ERR_OUT_OF_RANGE"],
  [2 ** 53, RangeError, "ERR_OUT_OF_RANGE"],
  [2n ** 63n, RangeError, "ERR_OUT_OF_RANGE"],
  [-Infinity, RangeError, "ERR_OUT_OF_RANGE"],
  ["10", TypeError, "ERR_INVALID_ARG_TYPE"],
  [null, TypeError, "ERR_INVALID_ARG_TYPE"],
  [{}, TypeError, "ERR_INVALID_ARG_TYPE"],
];
for (const [value, kind, code] of wrong) {
  test(`transfer() refuses ${typeof value} ${String(value)} as a count before anything moves (10)`, {}, async () => {
    const folder = tempFolder();
    const { path } = dataFile(folder, size);
    const into = join(folder, "target");
    fs.writeFileSync(into, "untouched");
    for (const name of ["offset", "length", "targetOffset"]) {
      const options = { [name]: value } as TransferOptions;
      const error = await rejection(() => transfer(path, into, options));
      assert.instance(error, kind);
      assert.is(error.code, code);
    }
    assert.is(fs.readFileSync(into, "utf8"), "untouched");
  });
}

test("transfer() of one fd three times without an offset starts at 0 each time (16)", {}, async () => {
  const path = join(tempFolder(), "letters");
  fs.writeFileSync(path, "abcdefghi");
  const fd = fs.openSync(path, "r");
  const { received } = await arrivals(async (socket) => {
    for (let i = 0; i < 3; i++) await transfer(fd, socket, { length: 3 });
  });
  fs.closeSync(fd);
  assert.is(received.toString(), "abcabcabc");
});

test("transfer() with explicit offsets moves neither descriptor's position (17)", {}, async () => {
  const folder = tempFolder();
  const { path, content } = dataFile(folder, size);
  const into = join(folder, "target");
  const source = fs.openSync(path, "r");
  const target = fs.openSync(into, "w");
  fs.readSync(source, Buffer.alloc(123));
  fs.writeSync(target, "four");
  const { bytes } = await transfer(source, target, { offset: 1000, length: 5000, targetOffset: 100 });
  assert.is(bytes, 5000);
  assert.is(fdInfo(source).position, 123);
  assert.is(fdInfo(target).position, 4);
  fs.closeSync(source);
  fs.closeSync(target);
  assertBytes(readRange(into, 100, 9999), content.subarray(1000, 6000));
});

test("transfer() of a FileHandle read before starts at 0 and leaves its position (18)", {}, async () => {
  const { path, content } = dataFile(tempFolder(), size);
  const handle = await open(path);
  await handle.read(Buffer.alloc(777), 0, 777, null);
  const { received } = await arrivals((socket) => transfer(handle, socket));
  assertBytes(received, content);
  assert.is(fdInfo(handle.fd).position, 777);
  await handle.close();
});

test("transfer() leaves a FileHandle's position where it was when it fails (18)", {}, async () => {
  const { path } = dataFile(tempFolder(), size);
  const handle = await open(path);
  await handle.read(Buffer.alloc(777), 0, 777, null);
  await failure(() => transfer(handle, "/dev/full"));
  assert.is(fdInfo(handle.fd).position, 777);
  await handle.close();
});

test("transfer() of ranges of one fd to two sockets at once keeps them apart (16, 17)", {}, async () => {
  const { path, content } = dataFile(tempFolder(), 4 * MiB);
  const fd = fs.openSync(path, "r");
  using one = await connect();
  using two = await connect();
  const received = Promise.all([collect(one.peer), collect(two.peer)]);
  await Promise.all([
    transfer(fd, one.socket, { offset: 1, length: 3 * MiB }),
    transfer(fd, two.socket, { offset: MiB + 1 }),
  ]);
  one.socket.end();
  two.socket.end();
  const [first, second] = await received;
  fs.closeSync(fd);
  assertBytes(first, content.subarray(1, 3 * MiB + 1));
  assertBytes(second, content.subarray(MiB + 1));
});
