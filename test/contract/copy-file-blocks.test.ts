/** copyFile() and disk blocks: holes and sharing. */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { setImmediate as turn } from "node:timers/promises";
import { copyFile, explain, transfer, TransferError } from "sluice";
import { assert, test } from "../support/contract.ts";
import { mountScratch } from "../support/filesystem.ts";
import { tempFolder } from "../support/temp.ts";
import { allocated, assertBytes, data, dataFile, KiB, MiB, readRange, sparseFile } from "./support/files.ts";
import { mountTmpfs } from "./support/limits.ts";
import { failure } from "./support/outcome.ts";

const middle = data(3 * MiB + 1);
const at = 20 * MiB + 5;

/** 64 MiB with data in the middle alone. */
const withHoles = (folder: string) => sparseFile(join(folder, "sparse"), 64 * MiB, { [at]: middle });

for (const sparse of [undefined, "auto", "always"] as const) {
  test(`copyFile() with sparse ${sparse} keeps holes (35)`, { needs: ["engine"] }, async () => {
    const folder = tempFolder();
    const source = withHoles(folder);
    const target = join(folder, "target");
    const report = await copyFile(source, target, { sparse, reflink: "never" });
    assert.is(report.bytes, 64 * MiB, "holes count as the bytes that they read as");
    assertBytes(fs.readFileSync(target), fs.readFileSync(source));
    assert.ok(allocated(target) <= allocated(source) + 64 * KiB, `${allocated(target)} bytes are allocated`);
  });
}

test('copyFile() with sparse "never" fills holes (35)', {}, async () => {
  const folder = tempFolder();
  const source = withHoles(folder);
  const target = join(folder, "target");
  await copyFile(source, target, { sparse: "never", reflink: "never" });
  assertBytes(fs.readFileSync(target), fs.readFileSync(source));
  assert.ok(allocated(target) >= 64 * MiB, `${allocated(target)} bytes are allocated`);
});

const shapes: readonly (readonly [string, number, Readonly<Record<number, Uint8Array>>])[] = [
  ["all hole", 8 * MiB, {}],
  ["a hole at the end", 8 * MiB, { 0: data(10_000) }],
  ["a hole at the start", 8 * MiB, { [8 * MiB - 10_000]: data(10_000) }],
  ["many holes", 8 * MiB, Object.fromEntries(Array.from({ length: 60 }, (_, i) => [i * 128 * KiB, data(5000, i + 1)]))],
];
for (const [name, size, pieces] of shapes) {
  test(`copyFile() of a file with ${name} is equal and no larger on disk (35)`, { needs: ["engine"] }, async () => {
    const folder = tempFolder();
    const source = sparseFile(join(folder, "source"), size, pieces);
    const target = join(folder, "target");
    assert.is((await copyFile(source, target, { reflink: "never" })).bytes, size);
    assertBytes(fs.readFileSync(target), fs.readFileSync(source));
    assert.ok(allocated(target) <= allocated(source) + 64 * KiB, `${allocated(target)} bytes are allocated`);
  });
}

/** A file that is being copied is cut down to nothing after some turns of the event loop: what became of the copies. */
async function cutWhileCopied(
  make: (path: string) => void,
  copy: (from: string, to: string) => Promise<unknown>,
  folder = tempFolder(),
): Promise<void> {
  const [source, target] = [join(folder, "source"), join(folder, "target")];
  make(source);
  const whole = fs.readFileSync(source);
  for (let round = 0; round < 40; round++) {
    fs.rmSync(source, { force: true });
    make(source);
    fs.writeFileSync(target, "old");
    const fd = fs.openSync(source, "r+");
    const copying = copy(source, target).then(
      () => undefined,
      (error: unknown) => error,
    );
    for (let turns = 0; turns < round % 20; turns++) await turn();
    fs.ftruncateSync(fd, 0);
    const error = await copying;
    fs.closeSync(fd);
    const found = fs.readFileSync(target);
    if (error === undefined) {
      assert.ok(found.length === 0 || found.equals(whole), `${found.length} bytes, and not the file's`);
    } else {
      if (!(error instanceof TransferError)) throw error;
      assert.is(error.code, "ERR_SLUICE_TRUNCATED");
      assert.ok(found.equals(Buffer.from("old")));
    }
  }
}

const sparse = (path: string) => void sparseFile(path, 4 * MiB, { [MiB]: data(64 * KiB) });
const dense = (path: string) => fs.writeFileSync(path, data(4 * MiB));

const copies: readonly (readonly [string, (path: string) => void, (from: string, to: string) => Promise<unknown>])[] = [
  ["copyFile() of a sparse file", sparse, (from, to) => copyFile(from, to, { reflink: "never" })],
  ["copyFile() of a dense file", dense, (from, to) => copyFile(from, to, { reflink: "never" })],
  ["transfer() with atomic", dense, (from, to) => transfer(from, to, { atomic: true })],
  ["transfer() with snapshot", sparse, (from, to) => transfer(from, to, { atomic: true, consistency: "snapshot" })],
];
for (const [name, make, copy] of copies)
  test(`${name} that is cut meanwhile is whole, truncated, or was empty before: never zeros (37)`, {}, () =>
    cutWhileCopied(make, copy),
  );

for (const type of ["btrfs", "xfs"] as const)
  test(
    `copyFile() by sharing blocks on ${type} of a file that is cut meanwhile is whole, truncated, or was empty before (37)`,
    { needs: ["engine", type], timeoutMs: 60_000 },
    async () => {
      const folder = mountScratch(type);
      await cutWhileCopied(dense, (from, to) => copyFile(from, to, { reflink: "always" }), folder);
      await cutWhileCopied(dense, (from, to) => transfer(from, to, { atomic: true, consistency: "snapshot" }), folder);
    },
  );

/** 4,000 runs of a page each. */
function manyRuns(path: string): string {
  const fd = fs.openSync(path, "w");
  for (let run = 0; run < 4000; run++) fs.writeSync(fd, data(4096, 1 + (run % 7)), 0, 4096, run * 16 * KiB);
  fs.ftruncateSync(fd, 4000 * 16 * KiB + 5);
  fs.closeSync(fd);
  return path;
}

test(
  "copyFile() of a file of many runs is few attempts, and reports at most ten times a second",
  { needs: ["engine"] },
  async () => {
    const folder = tempFolder();
    const source = manyRuns(join(folder, "source"));
    const seen: number[] = [];
    const started = performance.now();
    const report = await copyFile(source, join(folder, "target"), {
      reflink: "never",
      onProgress: (bytes) => seen.push(bytes),
    });
    const tenths = (performance.now() - started) / 100;
    assert.is(report.bytes, 4000 * 16 * KiB + 5);
    assert.ok(report.attempts.length <= 2, `${report.attempts.length} attempts`);
    assert.ok(seen.length <= tenths + 1, `${seen.length} reports in ${tenths} tenths of a second`);
    assert.is(seen.at(-1), report.bytes);
    assertBytes(fs.readFileSync(join(folder, "target")), fs.readFileSync(source));
  },
);

test("copyFile() of a sparse file whose onProgress throws tells how far it came", { needs: ["engine"] }, async () => {
  const folder = tempFolder();
  const source = manyRuns(join(folder, "source"));
  const cause = new Error("mine");
  const onProgress = () => {
    throw cause;
  };
  const error = await failure(() => copyFile(source, join(folder, "target"), { reflink: "never", onProgress }));
  assert.is(error.code, "ABORT_ERR");
  assert.is(error.cause, cause);
  assert.ok(error.bytesTransferred > 0);
  assert.equal(fs.readdirSync(folder), ["source"]);
});

test("copyFile() of a sparse file to a full disk tells how far it came", { needs: ["engine", "root"] }, async () => {
  const folder = mountTmpfs("4m");
  const source = manyRuns(join(tempFolder(), "source"));
  const error = await failure(() => copyFile(source, join(folder, "target")));
  assert.is(error.code, "ENOSPC");
  // Every run has come with the hole behind it.
  assert.ok(error.bytesTransferred > 8 * MiB && error.bytesTransferred < 32 * MiB, `${error.bytesTransferred} bytes`);
  assert.is(error.sourceOffset, error.bytesTransferred);
  assert.ok(error.attempts.length > 0 && error.attempts.length <= 3);
  assert.equal(fs.readdirSync(folder), []);
});

test(
  "a file of more bytes than JavaScript counts is EOVERFLOW, but for a range that it can count",
  { needs: ["engine", "xfs"], timeoutMs: 60_000 },
  async () => {
    const folder = mountScratch("xfs");
    const source = join(folder, "source");
    fs.writeFileSync(source, data(5000));
    // node:fs can't count so far either.
    execFileSync("truncate", ["--size", String(2n ** 53n + 4096n), source]);
    const target = join(folder, "target");
    for (const refuse of [
      () => copyFile(source, target),
      () => copyFile(source, target, { reflink: "never" }),
      () => transfer(source, target),
      () => transfer(source, target, { consistency: "snapshot" }),
      () => explain(source, target),
      () => explain(source, target, { consistency: "snapshot" }),
    ]) {
      const error = await failure(refuse);
      assert.is(error.code, "EOVERFLOW");
      assert.equal(fs.readdirSync(folder), ["source"]);
    }
    for (const consistency of ["live", "snapshot"] as const) {
      assert.is((await transfer(source, target, { length: 4000, consistency })).bytes, 4000);
      assertBytes(fs.readFileSync(target), data(5000).subarray(0, 4000));
    }
  },
);

test("copyFile() of sparse files keeps holes on tmpfs too (35)", { needs: ["engine", "tmpfs"] }, async () => {
  const source = withHoles(tempFolder("/dev/shm"));
  const target = join(tempFolder("/dev/shm"), "target");
  await copyFile(source, target);
  assert.is(allocated(target), allocated(source));
  assertBytes(readRange(target, at, middle.length), middle);
});

for (const [name, base] of [
  ["the temporary folder", undefined],
  ["/dev/shm", "/dev/shm"],
] as const) {
  test(
    `copyFile() with reflink "always" under ${name} fails and leaves the old target`,
    { needs: ["tmpfs"] },
    async () => {
      const folder = tempFolder(base);
      const { path } = dataFile(folder, MiB);
      const target = join(folder, "target");
      fs.writeFileSync(target, "old");
      const before = fs.readdirSync(folder);
      // Twice: the first time the kernel is asked, the second time the answer is known.
      for (let time = 0; time < 2; time++) {
        const { code } = await failure(() => copyFile(path, target, { reflink: "always" }));
        assert.ok(["EOPNOTSUPP", "ERR_SLUICE_UNSUPPORTED"].includes(code), code);
        assert.is(fs.readFileSync(target, "utf8"), "old");
        assert.equal(fs.readdirSync(folder), before);
      }
    },
  );
}

/** Whether two files' first blocks are one, by the physical place that FIEMAP tells. */
function sharesBlocks(one: string, two: string): boolean {
  const place = (path: string) => {
    const [, physical] =
      /^\s*0:\s+\d+\.\.\s*\d+:\s+(\d+)\.\./m.exec(
        execFileSync("filefrag", ["-v", path], {
          encoding: "utf8",
          env: { ...process.env, PATH: "/usr/sbin:/sbin:/usr/bin:/bin" },
        }),
      ) ?? [];
    return physical;
  };
  execFileSync("sync", [one, two]);
  const first = place(one);
  if (first === undefined) throw new Error(`filefrag says nothing of ${one}`);
  return first === place(two);
}

for (const type of ["btrfs", "xfs"] as const) {
  test(
    `copyFile() on ${type} shares blocks, and does not when reflink is "never"`,
    { needs: ["engine", type], timeoutMs: 60_000 },
    async () => {
      const folder = mountScratch(type);
      const { path, content } = dataFile(folder, 16 * MiB + 5);
      for (const reflink of ["always", "auto", "never"] as const) {
        const target = join(folder, reflink);
        fs.writeFileSync(target, "old");
        const report = await copyFile(path, target, { reflink });
        assert.is(report.bytes, content.length);
        assertBytes(fs.readFileSync(target), content);
        assert.is(sharesBlocks(path, target), reflink !== "never", reflink);
        if (reflink === "always") assert.is(report.copied, "no");
      }
      assert.equal(fs.readdirSync(folder).length, 4, "no temporary stays");
    },
  );

  test(
    `copyFile() of a shared file on ${type} is not changed by writes to the other`,
    { needs: ["engine", type], timeoutMs: 60_000 },
    async () => {
      const folder = mountScratch(type);
      const { path, content } = dataFile(folder, MiB);
      const target = join(folder, "target");
      await copyFile(path, target, { reflink: "always" });
      fs.writeFileSync(path, "new beginning", { flag: "r+" });
      assertBytes(fs.readFileSync(target), content);
    },
  );
}
