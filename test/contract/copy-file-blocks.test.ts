/** copyFile() and disk blocks: holes and sharing. */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { copyFile } from "sluice";
import { assert, test } from "../support/contract.ts";
import { mountScratch } from "../support/filesystem.ts";
import { tempFolder } from "../support/temp.ts";
import { allocated, assertBytes, data, dataFile, KiB, MiB, readRange, sparseFile } from "./support/files.ts";
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

test(
  "copyFile() of a sparse file that is cut between two runs of data is truncated (35, 37)",
  { needs: ["engine"] },
  async () => {
    const folder = tempFolder();
    const source = sparseFile(join(folder, "source"), 8 * MiB, { 0: data(10_000), [6 * MiB]: data(20_000, 2) });
    const target = join(folder, "target");
    fs.writeFileSync(target, "old");
    // The first report comes at the end of the first run: the second is then beyond the end of the file.
    const onProgress = () => fs.truncateSync(source, MiB);
    const error = await failure(() => copyFile(source, target, { reflink: "never", onProgress }));
    assert.is(error.code, "ERR_SLUICE_TRUNCATED");
    assert.is(error.sourceOffset, 6 * MiB);
    assert.ok(error.bytesTransferred >= 10_000 && error.bytesTransferred < MiB);
    assert.is(fs.readFileSync(target, "utf8"), "old");
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
