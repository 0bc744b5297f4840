/** CASES.md A 12 to 14 and B 35: beyond 2 and 4 GiB. The files are sparse, so that only their ends cost anything. */
import * as fs from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { transfer } from "sluice";
import { assert, test } from "../support/contract.ts";
import { tempFolder } from "../support/temp.ts";
import { arrivals, connect } from "./support/connection.ts";
import { assertBytes, data, GiB, MiB, readRange, sparseFile } from "./support/files.ts";

const zeros = Buffer.alloc(MiB);

/** Reads a stream that should be zeros up to its last `length` bytes and answers the count and those. */
async function tailAfterZeros(
  stream: Readable,
  total: number,
  length: number,
): Promise<{ bytes: number; tail: Buffer }> {
  const tail: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    const blank = Math.max(0, Math.min(chunk.length, total - length - bytes));
    for (let at = 0; at < blank; at += MiB) {
      const piece = chunk.subarray(at, Math.min(blank, at + MiB));
      assert.ok(piece.equals(zeros.subarray(0, piece.length)), `zeros at ${bytes + at}`);
    }
    if (blank < chunk.length) tail.push(chunk.subarray(blank));
    bytes += chunk.length;
  }
  return { bytes, tail: Buffer.concat(tail) };
}

test("transfer() of 2 GiB and 1024 bytes goes beyond what one call may move (12)", { timeoutMs: 120_000 }, async () => {
  const total = 2 * GiB + 1024;
  const end = data(1024);
  const path = sparseFile(join(tempFolder(), "sparse"), total, { [2 * GiB]: end });
  using link = await connect();
  const received = tailAfterZeros(link.peer, total, 1024);
  const { bytes } = await transfer(path, link.socket);
  link.socket.end();
  assert.is(bytes, total);
  assert.equal(await received, { bytes: total, tail: end });
});

/** Where 32-bit numbers wrap, and ordinary places between. */
const places = [
  2 * GiB - 1,
  2 * GiB,
  2 * GiB + 1,
  4 * GiB - 1,
  4 * GiB,
  4 * GiB + 1,
  5 * GiB - 1,
  5 * GiB,
  5 * GiB + 1,
];

test("transfer() of small ranges around 2, 4 and 6 GiB is exact (13)", {}, async () => {
  const size = 6 * GiB;
  const pieces = Object.fromEntries([2, 4, 5].map((at) => [at * GiB - 16, data(64, at)]));
  const path = sparseFile(join(tempFolder(), "sparse"), size, { ...pieces, [size - 10]: data(10) });
  const ranges = [...places, size - 10, size - 1, size].flatMap((offset) =>
    [1, 10].map((length) => ({ offset, length: length as number })),
  );
  const { result, received } = await arrivals(async (socket) => {
    const counts: number[] = [];
    for (const range of ranges) counts.push((await transfer(path, socket, range)).bytes);
    return counts;
  });
  const expected = ranges.map(({ offset, length }) => readRange(path, offset, length));
  assert.equal(
    result,
    expected.map((part) => part.length),
  );
  assertBytes(received, Buffer.concat(expected));
});

test("transfer() into a file at 4 GiB - 40 makes a hole before it (14)", {}, async () => {
  const folder = tempFolder();
  const source = join(folder, "source");
  const target = join(folder, "target");
  fs.writeFileSync(source, "0123456789");
  const { bytes } = await transfer(source, target, { targetOffset: 4 * GiB - 40 });
  assert.is(bytes, 10);
  const { size, blocks } = fs.statSync(target);
  assert.is(size, 4 * GiB - 30);
  assert.ok(blocks * 512 < MiB, "the rest takes no room");
  assert.is(readRange(target, 4 * GiB - 40, 20).toString(), "0123456789");
});

test("transfer() of a sparse file to a file reads its holes as zeros (35)", {}, async () => {
  const folder = tempFolder();
  const middle = data(MiB + 1);
  const source = sparseFile(join(folder, "source"), 64 * MiB, { [20 * MiB + 5]: middle });
  const target = join(folder, "target");
  const { bytes } = await transfer(source, target);
  assert.is(bytes, 64 * MiB);
  assertBytes(fs.readFileSync(target), fs.readFileSync(source));
});

/** The most memory that this process has had so far, in bytes (proc_pid_status(5)). */
function peakMemory(): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(fs.readFileSync("/proc/self/status", "utf8"))?.[1]) * 1024;
}

for (const strategy of ["auto", "buffered", "portable"] as const)
  test(`memory does not grow with what is sent, ${strategy}`, { alone: true, needs: ["proc"] }, async () => {
    const path = sparseFile(join(tempFolder(), "sparse"), 384 * MiB);
    await transfer(path, "/dev/null", { length: 64 * MiB, strategy });
    const before = peakMemory();
    await transfer(path, "/dev/null", { strategy });
    assert.ok(peakMemory() - before < 64 * MiB, `${peakMemory() - before} bytes`);
  });
