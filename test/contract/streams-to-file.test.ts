/** fs.ReadStream → fs.WriteStream by sluice/stream, as with node:stream. */
import * as fs from "node:fs";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { assert, test } from "../support/contract.ts";
import { tempFolder } from "../support/temp.ts";
import { mountTmpfs } from "./support/limits.ts";
import { assertBytes, data, dataFile, MiB } from "./support/files.ts";
import {
  assertAlike,
  assertLeft,
  assertTaken,
  closed,
  eventsOf,
  factsOf,
  stateOfSource,
  stateOfTarget,
} from "./support/streams.ts";

const engine = { needs: ["engine"] } as const;
const before = data(100, 9);

/** Options of createWriteStream for a target that holds 100 bytes, and what it holds after `content` came. */
const modes: readonly (readonly [string, Parameters<typeof fs.createWriteStream>[1], (content: Buffer) => Buffer])[] = [
  ["w", { flags: "w" }, (content) => content],
  ["a", { flags: "a" }, (content) => Buffer.concat([before, content])],
  ["r+", { flags: "r+" }, (content) => content],
  ["r+ and start 60", { flags: "r+", start: 60 }, (content) => Buffer.concat([before.subarray(0, 60), content])],
  ["w and start 60", { flags: "w", start: 60 }, (content) => Buffer.concat([Buffer.alloc(60), content])],
];

for (const [name, options, expected] of modes) {
  test(`pipe() to a file opened with ${name} writes where node:stream does`, engine, async () => {
    const folder = tempFolder();
    const { path, content } = dataFile(folder, 3 * MiB + 5);
    const into = join(folder, "into");
    await assertAlike(async (way) => {
      fs.writeFileSync(into, before);
      const target = fs.createWriteStream(into, options);
      const source = way.createReadStream(path);
      const events = { source: eventsOf(source), target: eventsOf(target) };
      way.pipe(source, target);
      await Promise.all([closed(source), closed(target)]);
      assertTaken(way, source, content.length);
      assertBytes(fs.readFileSync(into), expected(content));
      return { events, source: stateOfSource(source), target: stateOfTarget(target) };
    });
  });

  test(`two files in turn to a file opened with ${name}, with writes around, keep their order`, engine, async () => {
    const folder = tempFolder();
    const first = dataFile(folder, MiB, 1);
    const second = dataFile(folder, 300_000, 2);
    const into = join(folder, "into");
    await assertAlike(async (way) => {
      fs.writeFileSync(into, before);
      const target = fs.createWriteStream(into, options);
      target.write("one");
      for (const { path } of [first, second]) {
        const source = way.createReadStream(path);
        way.pipe(source, target, { end: false });
        await once(source, "end");
        target.write("two");
      }
      target.end("three");
      await closed(target);
      const all = ["one", first.content, "two", second.content, "two", "three"].map((part) => Buffer.from(part));
      assertBytes(fs.readFileSync(into), expected(Buffer.concat(all)));
      return stateOfTarget(target);
    });
  });
}

test("pipe() to a descriptor of the caller's own writes from where that stands", engine, async () => {
  const folder = tempFolder();
  const { path, content } = dataFile(folder, MiB);
  const into = join(folder, "into");
  await assertAlike(async (way) => {
    const fd = fs.openSync(into, "w");
    fs.writeSync(fd, "head");
    const target = fs.createWriteStream("", { fd, autoClose: false });
    const source = way.createReadStream(path);
    way.pipe(source, target);
    await once(target, "finish");
    fs.writeSync(fd, "tail");
    fs.closeSync(fd);
    assertTaken(way, source, content.length);
    assertBytes(fs.readFileSync(into), Buffer.concat([Buffer.from("head"), content, Buffer.from("tail")]));
    await closed(source);
    return { bytesWritten: target.bytesWritten, source: stateOfSource(source) };
  });
});

test("pipe() between two ranges of one file is node:stream's own", engine, async () => {
  const folder = tempFolder();
  await assertAlike(async (way) => {
    const { path, content } = dataFile(folder, MiB);
    const target = fs.createWriteStream(path, { flags: "r+", start: MiB });
    const source = way.createReadStream(path, { end: MiB - 1 });
    way.pipe(source, target);
    await Promise.all([closed(source), closed(target)]);
    assertLeft(way, source, /same file/);
    assertBytes(fs.readFileSync(path), Buffer.concat([content, content]));
    return { source: stateOfSource(source), bytesWritten: target.bytesWritten };
  });
});

test("pipe() to a file that can't be opened fails as with node:stream", engine, async () => {
  const folder = tempFolder();
  const { path } = dataFile(folder, MiB);
  await assertAlike(async (way) => {
    const target = fs.createWriteStream(join(folder, "none/into"));
    const source = way.createReadStream(path);
    const events = { source: eventsOf(source), target: eventsOf(target) };
    way.pipe(source, target);
    const [error] = (await once(target, "error")) as [Error];
    await closed(target);
    await sleep(50);
    assert.is(source.destroyed, false);
    source.destroy();
    await closed(source);
    return { events, error: factsOf(error) };
  });
});

test("pipe() to a full filesystem fails with node:stream's own error", { needs: ["engine", "root"] }, async () => {
  const { path, content } = dataFile(tempFolder(), 4 * MiB);
  await assertAlike(async (way) => {
    const into = join(mountTmpfs(MiB), "into");
    const target = fs.createWriteStream(into);
    const source = way.createReadStream(path);
    const events = { source: eventsOf(source), target: eventsOf(target) };
    const error = new Promise<unknown>((resolve) => target.once("error", resolve));
    way.pipe(source, target);
    const facts = factsOf(await error);
    await closed(target);
    assert.equal(events.target.slice(0, 3).sort(), ["open", "pipe", "ready"]);
    source.destroy();
    await closed(source);
    const written = fs.readFileSync(into);
    assertBytes(written, content.subarray(0, written.length));
    assert.is(target.bytesWritten, written.length);
    return { facts, events, written: written.length };
  });
});

test(
  "pipeline() to a full filesystem rejects with node:stream's own error",
  { needs: ["engine", "root"] },
  async () => {
    const { path } = dataFile(tempFolder(), 4 * MiB);
    await assertAlike(async (way) => {
      const target = fs.createWriteStream(join(mountTmpfs(MiB), "into"));
      const source = way.createReadStream(path);
      const error: unknown = await way.promises.pipeline(source, target).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      await Promise.all([closed(source), closed(target)]);
      return { facts: factsOf(error), destroyed: [source.destroyed, target.destroyed] };
    });
  },
);

test("pipe() to a file that is destroyed meanwhile lets go of both", engine, async () => {
  const folder = tempFolder();
  const { path } = dataFile(folder, 64 * MiB);
  await assertAlike(async (way) => {
    const target = fs.createWriteStream(join(folder, "into"));
    const source = way.createReadStream(path);
    const events = eventsOf(target);
    // Where a write is under way, that fails.
    target.on("error", () => undefined);
    way.pipe(source, target);
    await once(target, "open");
    await new Promise((resolve) => setImmediate(resolve));
    target.destroy();
    await closed(target);
    source.destroy();
    await closed(source);
    // Bun emits the last two in either order.
    return events.filter((event) => !event.startsWith("error")).sort();
  });
});
