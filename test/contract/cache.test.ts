/** cache: "direct" and "dontcache": the same bytes, and a page cache that is as it was. */
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import { capabilities, copyFile, explain, type Strategy, transfer } from "sluice";
import { assert, test } from "../support/contract.ts";
import { takeFdCensus } from "../support/fds.ts";
import { mountScratch } from "../support/filesystem.ts";
import type { Need } from "../support/needs.ts";
import { tempFolder } from "../support/temp.ts";
import { connect, type Connection } from "./support/connection.ts";
import { assertBytes, data, dataFile, KiB, MiB, readRange } from "./support/files.ts";
import { failure, rejection } from "./support/outcome.ts";
import { bringIntoCache, bytesInCache, dropFromCache } from "./support/page-cache.ts";

/** The filesystems that the modes are tried on. `keeps`: its pages are in memory for good. */
const filesystems: readonly {
  readonly name: string;
  readonly needs: readonly Need[];
  readonly folder: () => string;
  readonly keeps?: true;
}[] = [
  { name: "the temporary folder", needs: [], folder: () => tempFolder() },
  { name: "tmpfs", needs: ["tmpfs"], folder: () => tempFolder("/dev/shm"), keeps: true },
  { name: "btrfs", needs: ["btrfs"], folder: () => mountScratch("btrfs") },
  { name: "xfs", needs: ["xfs"], folder: () => mountScratch("xfs") },
];

const size = 33 * MiB + 4097;

const hashFile = async (path: string): Promise<string> => {
  const hash = createHash("sha256");
  await finished(fs.createReadStream(path).on("data", (chunk) => hash.update(chunk)));
  return hash.digest("hex");
};

/** Makes a file of which nothing is in memory, and says its hash. */
function coldFile(folder: string, length: number): { path: string; hash: string } {
  const { path, content } = dataFile(folder, length);
  dropFromCache(path);
  return { path, hash: createHash("sha256").update(content).digest("hex") };
}

/** Takes what a peer receives until the end, as a hash. */
async function receive({ peer }: Connection): Promise<string> {
  const hash = createHash("sha256");
  peer.on("data", (chunk: Buffer) => hash.update(chunk));
  peer.resume();
  await finished(peer, { writable: false });
  return hash.digest("hex");
}

for (const { name, needs, folder, keeps } of filesystems) {
  const asked = { needs: ["engine", "fincore", ...needs] as const, timeoutMs: 60_000 };
  for (const cache of ["direct", "dontcache"] as const) {
    test(`copyFile() with cache "${cache}" on ${name} leaves the page cache as it was`, asked, async () => {
      const inside = folder();
      const { path, hash } = coldFile(inside, size);
      const target = join(inside, "target");
      const report = await copyFile(path, target, { cache, reflink: cache === "direct" ? "auto" : "never" });
      const left = [bytesInCache(path), bytesInCache(target)];
      assert.is(report.bytes, size);
      assert.is(report.cache, cache);
      if (cache === "direct") assert.is(report.strategy, "direct");
      if (keeps !== true) assert.equal(left, [0, 0]);
      assert.is(await hashFile(target), hash);
    });

    test(
      `transfer() with cache "${cache}" from ${name} to a socket leaves the page cache as it was`,
      asked,
      async () => {
        const { path, hash } = coldFile(folder(), size);
        using link = await connect();
        const received = receive(link);
        const report = await transfer(path, link.socket, { cache });
        const left = bytesInCache(path);
        link.socket.end();
        assert.is(await received, hash);
        assert.is(report.bytes, size);
        assert.is(report.cache, cache);
        if (keeps !== true) assert.is(left, 0);
      },
    );
  }
}

const byNative: readonly Strategy[] = ["copyFileRange", "splice", "mapped", "buffered"];
for (const strategy of byNative) {
  const needs = ["engine", "fincore"] as const;
  test(`transfer() with cache "dontcache" by ${strategy} keeps what somebody else had cached`, { needs }, async () => {
    const inside = tempFolder();
    const { path, hash } = coldFile(inside, size);
    bringIntoCache(path, 300 * KiB);
    const before = bytesInCache(path);
    assert.ok(before >= 300 * KiB && before < size, `${before} bytes are cached`);
    const target = join(inside, "target");
    const report = await transfer(path, target, { strategy, cache: "dontcache" });
    assert.is(report.strategy, strategy);
    assert.is(bytesInCache(path), before);
    assert.is(bytesInCache(target), 0);
    assert.is(await hashFile(target), hash);
  });
}

test(
  'transfer() with cache "dontcache" keeps the pages of a target that it does not write to',
  {
    needs: ["engine", "fincore"],
  },
  async () => {
    const inside = tempFolder();
    const { path } = coldFile(inside, MiB);
    const target = dataFile(inside, 16 * MiB, 2);
    bringIntoCache(target.path, 16 * MiB);
    const before = bytesInCache(target.path);
    await transfer(path, target.path, { cache: "dontcache", targetOffset: 3 * MiB });
    assert.is(bytesInCache(target.path), before);
    assertBytes(readRange(target.path, 0, 3 * MiB), target.content.subarray(0, 3 * MiB));
  },
);

/** Around sectors and pages, at both ends. */
const edges = [0, 1, 511, 512, 4095, 4096, 4097];
for (const cache of ["direct", "dontcache"] as const) {
  test(`transfer() with cache "${cache}" moves every range byte for byte`, { needs: ["engine"] }, async () => {
    const inside = tempFolder();
    const { path, content } = dataFile(inside, 20_001);
    const target = join(inside, "target");
    for (const offset of edges) {
      for (const length of [...edges, Infinity]) {
        const targetOffset = edges[(edges.indexOf(offset) + 3) % edges.length] ?? 0;
        fs.writeFileSync(target, "");
        const { bytes } = await transfer(path, target, { offset, length, targetOffset, cache });
        const expected = content.subarray(offset, offset + length);
        assert.is(bytes, expected.length);
        assertBytes(fs.readFileSync(target).subarray(targetOffset), expected, `${offset}+${length} to ${targetOffset}`);
      }
    }
  });

  test(
    `transfer() with cache "${cache}" leaves no descriptor open, also after an abort`,
    { alone: true, needs: ["engine", "proc"] },
    async () => {
      const inside = tempFolder();
      const { path } = dataFile(inside, 24 * MiB);
      const target = join(inside, "target");
      await transfer(path, target, { cache });
      {
        // A runtime's first connection opens things of its own.
        using first = await connect();
        await transfer(path, first.socket, { cache, length: 1 });
      }
      const census = await takeFdCensus();
      await transfer(path, target, { cache });
      {
        using link = await connect();
        const controller = new AbortController();
        const sending = failure(() => transfer(path, link.socket, { cache, signal: controller.signal }));
        setTimeout(() => controller.abort(), 50);
        assert.is((await sending).code, "ABORT_ERR");
      }
      await census.assertUnchanged();
    },
  );

  test(`transfer() with cache "${cache}" is ERR_SLUICE_UNSUPPORTED where no engine can keep it`, {}, async () => {
    const target = join(tempFolder(), "target");
    const error = await failure(() => transfer(data(100), target, { cache }));
    assert.is(error.code, "ERR_SLUICE_UNSUPPORTED");
    assert.not.ok(fs.existsSync(target), "the target was not created");
  });

  test(`explain() and capabilities() tell of cache "${cache}"`, { needs: ["engine"] }, async () => {
    const { path } = dataFile(tempFolder(), MiB);
    const plan = await explain(path, "/dev/null", { cache });
    assert.is(plan.cache, cache);
    assert.is(plan.candidates[0]?.strategy, cache === "direct" ? "direct" : "buffered");
    assert.match(plan.drawing(), cache === "direct" ? "pinned pages" : "dropped from it again");
    assert.is.not(capabilities().cache[cache].ability, "no");
  });
}

test(
  'transfer() with cache "direct" from procfs is ERR_SLUICE_UNSUPPORTED and nothing else is tried',
  {
    needs: ["engine", "proc"],
  },
  async () => {
    const target = join(tempFolder(), "target");
    const error = await failure(() => transfer("/proc/version", target, { cache: "direct" }));
    assert.is(error.code, "ERR_SLUICE_UNSUPPORTED");
    assert.is(error.bytesTransferred, 0);
    assert.equal(error.attempts, [], "explain() could not tell of one that can't succeed");
    assert.is((await failure(() => explain("/proc/version", target, { cache: "direct" }))).code, error.code);
  },
);

test('copyFile() refuses cache "direct" with reflink "always", and modes that there are not', {}, async () => {
  const { path } = dataFile(tempFolder(), 100);
  const both = await rejection(() => copyFile(path, `${path}.copy`, { cache: "direct", reflink: "always" }));
  assert.is(both.code, "ERR_INVALID_ARG_VALUE");
  const none = await rejection(() => copyFile(path, `${path}.copy`, { cache: "never" as "direct" }));
  assert.is(none.code, "ERR_SLUICE_UNSUPPORTED");
});
