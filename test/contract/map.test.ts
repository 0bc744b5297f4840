/** CASES.md F 42, 43: files as memory. */
import * as fs from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { map, type MapOptions, TransferError } from "sluice";
import { assert, test } from "../support/contract.ts";
import { tempFolder } from "../support/temp.ts";
import { fifo } from "./support/descriptors.ts";
import { assertBytes, data, dataFile, GiB, KiB, MiB, sparseFile } from "./support/files.ts";
import { numbersOf } from "./support/smaps.ts";

const needs = ["engine"] as const;
const size = MiB + 77;

/** The error that a call throws. */
function thrown(call: () => unknown): Error & { readonly code?: string } {
  try {
    call();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error("It was expected to throw");
}

function codeOf(call: () => unknown): string | undefined {
  const error = thrown(call);
  assert.ok(error instanceof TransferError || error instanceof RangeError || error instanceof TypeError, String(error));
  return error.code;
}

const view = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

test("map() shows a file by path, URL, descriptor and FileHandle", { needs }, async () => {
  const { path, content } = dataFile(tempFolder(), size);
  const fd = fs.openSync(path, "r");
  await using handle = await open(path);
  for (const file of [path, pathToFileURL(path), fd, { fd }, handle]) {
    using mapped = map(file);
    assert.is(mapped.length, size);
    assertBytes(view(mapped.bytes), content);
    assert.is(mapped.bytes, mapped.bytes);
  }
  fs.closeSync(fd);
});

test("map() outlives the descriptor and the name of its file", { needs }, () => {
  const { path, content } = dataFile(tempFolder(), size);
  const fd = fs.openSync(path, "r");
  using mapped = map(fd);
  fs.closeSync(fd);
  fs.unlinkSync(path);
  assertBytes(view(mapped.bytes), content);
  assert.is(mapped.truncated, undefined);
});

test("map() takes any offset and length (43)", { needs }, () => {
  const { path, content } = dataFile(tempFolder(), size);
  const ranges = [
    [0, 1],
    [1, 4096],
    [4095, 2],
    [65_535, 65_538],
    [65_536, 10],
    [size - 1, 1],
    [12_345, undefined],
    [0, Infinity],
  ] as const;
  for (const policy of ["guard", "copy"] as const)
    for (const [offset, length] of ranges) {
      using mapped = map(path, { offset, length, policy });
      const end = length === undefined ? size : Math.min(size, offset + length);
      assertBytes(view(mapped.bytes), content.subarray(offset, end), `${policy} ${offset} ${length}`);
      assertBytes(view(mapped.read(0)), content.subarray(offset, end));
      assert.is(mapped.residency().total, end - offset);
    }
  using wide = map(path, { offset: 5n, length: 6n });
  assertBytes(view(wide.bytes), content.subarray(5, 11));
});

test("map() of nothing is an empty view (43)", { needs }, () => {
  const { path } = dataFile(tempFolder(), 10);
  const empty = join(tempFolder(), "empty");
  fs.writeFileSync(empty, "");
  for (const mode of ["read", "private", "shared"] as const)
    for (const [file, options] of [
      [empty, {}],
      [path, { length: 0 }],
      [path, { offset: 10 }],
    ] as const) {
      using mapped = map(file, { mode, ...options });
      assert.is(mapped.length, 0);
      assert.is(mapped.bytes.length, 0);
      assert.is(mapped.read(0).length, 0);
      assert.equal(mapped.residency(), { resident: 0, total: 0 });
      assert.is(mapped.truncated, undefined);
      mapped.prefetch();
      if (mode === "shared") mapped.flush();
    }
});

test("map() refuses ranges that the file does not have (43)", { needs }, () => {
  const { path } = dataFile(tempFolder(), 100);
  const ranges: MapOptions[] = [{ offset: 101 }, { length: 101 }, { offset: 100, length: 1 }, { offset: 2 ** 52 }];
  for (const policy of ["guard", "copy"] as const)
    for (const options of ranges) {
      const error = thrown(() => map(path, { ...options, policy }));
      assert.instance(error, RangeError);
      assert.is(error.code, "ERR_OUT_OF_RANGE");
    }
});

test("map() refuses wrong arguments", { needs }, () => {
  const { path } = dataFile(tempFolder(), 100);
  const wrong = (options: object) => codeOf(() => map(path, options as MapOptions));
  assert.is(wrong({ mode: "write" }), "ERR_INVALID_ARG_VALUE");
  assert.is(wrong({ policy: "hope" }), "ERR_INVALID_ARG_VALUE");
  assert.is(wrong({ offset: -1 }), "ERR_OUT_OF_RANGE");
  assert.is(wrong({ length: "5" }), "ERR_INVALID_ARG_TYPE");
  assert.is(
    codeOf(() => map(path, 5 as unknown as MapOptions)),
    "ERR_INVALID_ARG_TYPE",
  );
  assert.is(
    codeOf(() => map({} as unknown as string)),
    "ERR_INVALID_ARG_TYPE",
  );
  assert.is(
    codeOf(() => map(1.5)),
    "ERR_OUT_OF_RANGE",
  );
});

test("map() refuses what is no regular file, and what is not there", { needs }, () => {
  const folder = tempFolder();
  for (const mode of ["read", "shared"] as const) {
    assert.is(
      codeOf(() => map(folder, { mode })),
      "EISDIR",
    );
    assert.is(
      codeOf(() => map(fifo(folder), { mode })),
      "ERR_SLUICE_UNSUPPORTED",
    );
    assert.is(
      codeOf(() => map(join(folder, "none"), { mode })),
      "ENOENT",
    );
    assert.is(
      codeOf(() => map(-1, { mode })),
      "EBADF",
    );
    assert.is(
      codeOf(() => map(9999, { mode })),
      "EBADF",
    );
  }
  assert.is(
    codeOf(() => map("/dev/null")),
    "ERR_SLUICE_UNSUPPORTED",
  );
  assert.is(
    codeOf(() => map("/proc/self/status")),
    "ERR_SLUICE_UNSUPPORTED",
  );
});

test("map() asks for the rights that its mode takes (43)", { needs }, () => {
  const { path } = dataFile(tempFolder(), 100);
  const reader = fs.openSync(path, "r");
  const writer = fs.openSync(path, "r+");
  const writeOnly = fs.openSync(path, fs.constants.O_WRONLY);
  assert.is(
    codeOf(() => map(reader, { mode: "shared" })),
    "EACCES",
  );
  for (const mode of ["read", "private", "shared"] as const)
    assert.is(
      codeOf(() => map(writeOnly, { mode })),
      "EACCES",
    );
  map(writer, { mode: "shared" }).close();
  map(reader, { mode: "private" }).close();
  for (const fd of [reader, writer, writeOnly]) fs.closeSync(fd);
});

for (const mode of ["read", "private"] as const)
  test(`what is written to a "${mode}" mapping stays in it`, { needs: ["engine", "proc"] }, () => {
    const { path, content } = dataFile(tempFolder(), 16 * 64 * KiB);
    using mapped = map(path, { mode });
    using other = map(path, { mode });
    let sum = 0;
    for (let at = 0; at < mapped.length; at += 4096) sum += mapped.bytes[at] ?? 0;
    assert.ok(sum > 0);
    const before = numbersOf(path);
    assert.is(before.Rss, 16 * 64 * KiB, "the page cache's pages are there");
    assert.is(before.Anonymous, 0, "and none of our own");
    mapped.bytes[5] = (content[5] ?? 0) ^ 0xff;
    mapped.bytes[100_000] = (content[100_000] ?? 0) ^ 0xff;
    assert.is(mapped.bytes[5], (content[5] ?? 0) ^ 0xff);
    const { Anonymous } = numbersOf(path);
    assert.ok(Anonymous > 0 && Anonymous <= 2 * 64 * KiB, `${Anonymous} bytes were copied`);
    assertBytes(fs.readFileSync(path), content);
    assertBytes(view(other.bytes), content);
    assert.is(
      codeOf(() => mapped.flush()),
      "ERR_SLUICE_UNSUPPORTED",
    );
  });

test('what is written to a "shared" mapping is in the file', { needs }, () => {
  const { path, content } = dataFile(tempFolder(), size);
  {
    using mapped = map(path, { mode: "shared", offset: 1000 });
    mapped.bytes.set([1, 2, 3], 70_000);
    content.set([1, 2, 3], 71_000);
    mapped.flush();
    assertBytes(fs.readFileSync(path), content);
    mapped.bytes[0] = content[1000] = (content[1000] ?? 0) ^ 1;
    mapped.flush(0, 1);
    // The other way round: the file's changes are the mapping's.
    const fd = fs.openSync(path, "r+");
    fs.writeSync(fd, Buffer.from("seen"), 0, 4, 5000);
    fs.closeSync(fd);
    content.set(Buffer.from("seen"), 5000);
    assertBytes(view(mapped.read(4000, 4)), content.subarray(5000, 5004));
  }
  assertBytes(fs.readFileSync(path), content);
});

test('map() with policy "copy" is of the moment of the call', {}, () => {
  const { path, content } = dataFile(tempFolder(), size);
  using mapped = map(path, { policy: "copy", mode: "private", offset: 3 });
  fs.truncateSync(path, 0);
  assertBytes(view(mapped.bytes), content.subarray(3));
  assert.is(mapped.truncated, undefined);
  mapped.check();
  assert.equal(mapped.residency(), { resident: size - 3, total: size - 3 });
  assert.is(
    codeOf(() => map(path, { policy: "copy", mode: "shared" })),
    "ERR_SLUICE_UNSUPPORTED",
  );
});

test("ranges that go beyond a mapping are refused", { needs }, () => {
  const { path } = dataFile(tempFolder(), 100);
  using mapped = map(path);
  const calls = [
    () => mapped.read(0, 101),
    () => mapped.window(100, 1),
    () => mapped.window(101),
    () => mapped.prefetch(1, 100),
    () => mapped.advise("random", 101),
    () => mapped.residency(-1),
  ];
  for (const call of calls) assert.is(codeOf(call), "ERR_OUT_OF_RANGE");
});

test("advise(), prefetch() and residency() work on any part", { needs }, () => {
  const { path } = dataFile(tempFolder(), size);
  using mapped = map(path, { offset: 11 });
  for (const advice of ["normal", "sequential", "random"] as const) mapped.advise(advice);
  mapped.advise("sequential", 5, 10);
  mapped.prefetch();
  mapped.prefetch(size - 12, 1);
  assert.equal(mapped.residency(), { resident: size - 11, total: size - 11 });
  assert.equal(mapped.residency(70_000, 5), { resident: 5, total: 5 });
});

test("windows show files beyond 4 GiB (43)", { needs }, () => {
  const total = 6 * GiB + 10;
  const places = [0, 2 * GiB - 5, 4 * GiB - 5, 6 * GiB];
  const pieces = Object.fromEntries(places.map((at) => [at, data(10, at + 1)]));
  const path = sparseFile(join(tempFolder(), "sparse"), total, pieces);
  using mapped = map(path);
  assert.is(mapped.length, total);
  assert.is(
    codeOf(() => mapped.bytes),
    "ERR_OUT_OF_RANGE",
  );
  assert.is(
    codeOf(() => mapped.window(0, 4 * GiB + 1)),
    "ERR_OUT_OF_RANGE",
  );
  for (const at of places) {
    assertBytes(view(mapped.window(at, 10)), data(10, at + 1));
    assertBytes(view(mapped.read(BigInt(at), 10)), data(10, at + 1));
  }
  const wide = mapped.window(2 * GiB, 4 * GiB);
  assert.is(wide.length, 4 * GiB);
  assertBytes(view(wide.slice(2 * GiB - 5, 2 * GiB + 5)), data(10, 4 * GiB - 4));
  using part = map(path, { offset: 2 * GiB - 5, length: 2 * GiB + 10 });
  assertBytes(view(part.bytes.slice(0, 10)), data(10, 2 * GiB - 4));
  assertBytes(view(part.bytes.slice(2 * GiB)), data(10, 4 * GiB - 4));
});

test("the windows of a large file slide over all of it", { needs }, () => {
  const total = 4 * GiB + 64 * MiB;
  const path = sparseFile(join(tempFolder(), "sparse"), total, { [total - 1]: Uint8Array.of(9) });
  using mapped = map(path);
  mapped.advise("sequential");
  let last = 0;
  for (let at = 0; at < total; at += MiB) last = mapped.window(at, MiB)[MiB - 1] ?? -1;
  assert.is(last, 9);
});
