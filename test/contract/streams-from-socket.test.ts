/** net.Socket → fs.WriteStream and net.Socket → net.Socket by sluice/stream, as with node:stream. */
import * as fs from "node:fs";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { report } from "sluice/stream";
import { assert, test } from "../support/contract.ts";
import { collect, digest, sha256 } from "../support/data.ts";
import { takeFdCensus, takeFdCensusWithoutPipes } from "../support/fds.ts";
import { tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { connect, readExactly } from "./support/connection.ts";
import { mountTmpfs } from "./support/limits.ts";
import { assertBytes, data, MiB } from "./support/files.ts";
import {
  assertAlike,
  assertLeft,
  assertTaken,
  closed,
  eventsOf,
  factsOf,
  stateOfSource,
  stateOfTarget,
  take,
  type Way,
  ways,
} from "./support/streams.ts";

const engine = { needs: ["engine"] } as const;
const content = data(32 * MiB, 3);

test("an upload of 32 MiB to a file arrives whole and is told of as by node:stream", engine, async () => {
  const folder = tempFolder();
  await assertAlike(async (way) => {
    using link = await connect();
    const into = join(folder, "into");
    const target = fs.createWriteStream(into);
    const events = { source: eventsOf(link.socket), target: eventsOf(target) };
    link.peer.end(content);
    way.pipe(link.socket, target);
    await closed(target);
    assertBytes(fs.readFileSync(into), content);
    link.socket.end();
    link.peer.resume();
    await closed(link.socket);
    assertTaken(way, link.socket);
    return { events, source: stateOfSource(link.socket), target: stateOfTarget(target) };
  });
});

test("much of an upload of 32 MiB goes past JavaScript", engine, async () => {
  const way = ways.sluice;
  using link = await connect();
  const target = fs.createWriteStream(join(tempFolder(), "into"));
  link.peer.end(content);
  way.pipe(link.socket, target);
  await closed(target);
  assertTaken(way, link.socket);
  if (report(link.socket)?.native)
    assert.ok((report(link.socket)?.bytes ?? 0) > 8 * MiB, String(report(link.socket)?.bytes));
});

/** Connects two links, left to right and back, as a proxy does, and answers its ends. */
async function proxy(way: Way, options?: { end: boolean }) {
  const left = await connect();
  const right = await connect();
  way.pipe(left.socket, right.socket, options);
  way.pipe(right.socket, left.socket, options);
  return {
    left,
    right,
    [Symbol.dispose]() {
      left[Symbol.dispose]();
      right[Symbol.dispose]();
    },
  };
}

test("a proxy echoes 32 MiB and is told of as by node:stream", engine, async () => {
  await assertAlike(async (way) => {
    using both = await proxy(way);
    const { left, right } = both;
    const events = [eventsOf(left.socket), eventsOf(right.socket)];
    const received = digest(left.peer);
    right.peer.pipe(right.peer);
    left.peer.end(content);
    assert.equal(await received, { bytes: content.length, sha256: sha256(content) });
    await Promise.all([closed(left.socket), closed(right.socket)]);
    assertTaken(way, left.socket);
    return { events, states: [left.socket, right.socket].map((s) => ({ ...stateOfSource(s), ...stateOfTarget(s) })) };
  });
});

test("a proxy keeps the order of what comes in small and in full reads", engine, async () => {
  // Reads of all sizes, so that some are full and what follows them is not.
  const sizes = [10, 65_536, 1, 65_536, 65_536, 9000, 3 * MiB, 17, 131_072, 100, 8 * MiB, 5];
  const sent = data(
    sizes.reduce((sum, size) => sum + size, 0),
    4,
  );
  await assertAlike(async (way) => {
    using both = await proxy(way);
    const { left, right } = both;
    const received = digest(right.peer);
    let at = 0;
    for (const size of sizes) {
      left.peer.write(sent.subarray(at, at + size));
      at += size;
      await sleep(2);
    }
    left.peer.end();
    assert.equal(await received, { bytes: sent.length, sha256: sha256(sent) });
    return { read: left.socket.bytesRead, written: right.socket.bytesWritten };
  });
});

test("small messages through a proxy stay in JavaScript", engine, async () => {
  await assertAlike(async (way) => {
    using both = await proxy(way);
    const { left, right } = both;
    right.peer.pipe(right.peer);
    for (let round = 0; round < 200; round++) {
      left.peer.write(`ping ${round};`);
      await readExactly(left.peer, `ping ${round};`.length);
    }
    assert.is(report(left.socket)?.native ?? false, false);
    return { read: left.socket.bytesRead, written: left.socket.bytesWritten };
  });
});

test("a socket that is piped to itself echoes as with node:stream", engine, async () => {
  await assertAlike(async (way) => {
    using link = await connect();
    const received = digest(link.peer);
    way.pipe(link.socket, link.socket);
    link.peer.end(content);
    assert.equal(await received, { bytes: content.length, sha256: sha256(content) });
    return { read: link.socket.bytesRead, written: link.socket.bytesWritten };
  });
});

test("a half-closed upload emits 'end' and leaves the answer to be sent", engine, async () => {
  const folder = tempFolder();
  await assertAlike(async (way) => {
    using link = await connect();
    const target = fs.createWriteStream(join(folder, "into"));
    way.pipe(link.socket, target);
    const answer = collect(link.peer);
    link.peer.end(content);
    await once(link.socket, "end");
    assert.not.ok(link.socket.destroyed);
    link.socket.end("received");
    assert.is((await answer).toString(), "received");
    await closed(target);
    return stateOfTarget(target);
  });
});

test("pause() and resume() of an upload lose and repeat nothing", engine, async () => {
  const folder = tempFolder();
  await assertAlike(async (way) => {
    using link = await connect();
    const into = join(folder, "into");
    const target = fs.createWriteStream(into);
    way.pipe(link.socket, target);
    const rounds = 4;
    for (let round = 0; round < rounds; round++) {
      const part = content.length / rounds;
      link.peer.write(content.subarray(round * part, (round + 1) * part));
      await sleep(20);
      link.socket.pause();
      await sleep(10);
      link.socket.resume();
    }
    link.peer.end();
    await closed(target);
    assertBytes(fs.readFileSync(into), content);
    return { read: link.socket.bytesRead, written: target.bytesWritten };
  });
});

test("pause() of a proxy whose target stands still loses nothing", engine, async () => {
  await assertAlike(async (way) => {
    using left = await connect();
    using right = await connect();
    way.pipe(left.socket, right.socket);
    left.peer.end(content);
    // The reader stands still until everything on the way is full.
    await sleep(300);
    left.socket.pause();
    await sleep(50);
    const received = digest(right.peer);
    left.socket.resume();
    assert.equal(await received, { bytes: content.length, sha256: sha256(content) });
    return { read: left.socket.bytesRead, written: right.socket.bytesWritten };
  });
});

test("unpipe() of a proxy whose target stands still hands the rest to another", engine, async () => {
  await assertAlike(async (way) => {
    using left = await connect();
    using right = await connect();
    using other = await connect();
    way.pipe(left.socket, right.socket);
    left.peer.end(content);
    await sleep(300);
    left.socket.unpipe(right.socket);
    const rest = collect(other.peer);
    left.socket.pipe(other.socket);
    const tail = await rest;
    right.socket.end();
    assertBytes(Buffer.concat([await collect(right.peer), tail]), content);
    return left.socket.bytesRead;
  });
});

test("a reset source fails as with node:stream", engine, async () => {
  const folder = tempFolder();
  await assertAlike(async (way) => {
    using link = await connect();
    const into = join(folder, way.name.replace("/", "-"));
    const target = fs.createWriteStream(into);
    const events = eventsOf(link.socket);
    const error = new Promise<unknown>((resolve) => link.socket.once("error", resolve));
    way.pipe(link.socket, target);
    link.peer.on("error", () => undefined).write(content);
    // With bytes on their way it is chance whether they, the end or the reset is heard of.
    await waitFor("all that was sent", () => fs.existsSync(into) && fs.statSync(into).size === content.length);
    link.peer.resetAndDestroy();
    const facts = factsOf(await error);
    await closed(link.socket);
    assert.not.ok(target.destroyed);
    // Where a write is under way, that fails.
    target.on("error", () => undefined).destroy();
    await closed(target);
    return { facts, events };
  });
});

test("a reset target of a proxy ends it with ECONNRESET or EPIPE", engine, async () => {
  await assertAlike(async (way) => {
    using left = await connect();
    using right = await connect();
    const error = new Promise<unknown>((resolve) => right.socket.once("error", resolve));
    way.pipe(left.socket, right.socket);
    left.peer.on("error", () => undefined).write(content);
    await take(right.peer, MiB);
    right.peer.resetAndDestroy();
    const { code, syscall } = factsOf(await error) as { code: string; syscall: string };
    assert.ok(["ECONNRESET", "EPIPE"].includes(code), code);
    assert.ok(["read", "write"].includes(syscall), syscall);
    await closed(right.socket);
    assert.not.ok(left.socket.destroyed);
    return right.socket.destroyed;
  });
});

test("a 'data' listener that comes later sees the rest, and the target everything", engine, async () => {
  const folder = tempFolder();
  await assertAlike(async (way) => {
    using link = await connect();
    const into = join(folder, "into");
    const target = fs.createWriteStream(into);
    way.pipe(link.socket, target);
    link.peer.write(content.subarray(0, 16 * MiB));
    await waitFor("progress", () => link.socket.bytesRead > 0);
    const seen: Buffer[] = [];
    link.socket.on("data", (chunk: Buffer) => seen.push(chunk));
    link.peer.end(content.subarray(16 * MiB));
    await closed(target);
    assertBytes(fs.readFileSync(into), content);
    const tail = Buffer.concat(seen);
    assert.ok(tail.length >= 16 * MiB);
    assertBytes(tail, content.subarray(content.length - tail.length));
    return target.bytesWritten;
  });
});

test("a socket that is decoded stays in JavaScript", engine, async () => {
  const text = Buffer.from("text of a kind ".repeat(100_000));
  await assertAlike(async (way) => {
    using left = await connect();
    using right = await connect();
    left.socket.setEncoding("utf8");
    const received = collect(right.peer);
    way.pipe(left.socket, right.socket);
    left.peer.end(text);
    assertBytes(await received, text);
    if (report(left.socket) !== undefined) assertLeft(way, left.socket, /decoded/);
    return left.socket.bytesRead;
  });
});

test("an upload to a full filesystem fails as with node:stream", { needs: ["engine", "root"] }, async () => {
  await assertAlike(async (way) => {
    using link = await connect();
    const into = join(mountTmpfs(4 * MiB), "into");
    const target = fs.createWriteStream(into);
    const error = new Promise<unknown>((resolve) => target.once("error", resolve));
    way.pipe(link.socket, target);
    link.peer.on("error", () => undefined).write(content);
    const facts = factsOf(await error);
    await closed(target);
    assert.not.ok(link.socket.destroyed);
    const written = fs.readFileSync(into);
    assertBytes(written, content.subarray(0, written.length));
    // Not every runtime counts a short write.
    assert.ok(target.bytesWritten <= written.length);
    return { facts, written: written.length };
  });
});

test("uploads and proxies leave no descriptor behind", { alone: true, needs: ["engine", "proc"] }, async () => {
  const folder = tempFolder();
  const run = () =>
    assertAlike(async (way) => {
      using link = await connect();
      const target = fs.createWriteStream(join(folder, "into"));
      way.pipe(link.socket, target);
      link.peer.end(content);
      await closed(target);
      using both = await proxy(way);
      const received = digest(both.left.peer);
      both.right.peer.pipe(both.right.peer);
      both.left.peer.end(content);
      return (await received).bytes;
    });
  await run();
  const census = await takeFdCensus();
  await run();
  await census.assertUnchanged();
});

test(
  "a proxy with an end that is destroyed meanwhile leaves no descriptor behind",
  { alone: true, needs: ["engine", "proc"] },
  async () => {
    const run = () =>
      assertAlike(async (way) => {
        using both = await proxy(way);
        both.left.peer.on("error", () => undefined).write(content);
        await take(both.right.peer, MiB);
        both.left.socket.destroy();
        await closed(both.left.socket);
        return both.right.socket.destroyed;
      });
    await run();
    const census = await takeFdCensusWithoutPipes();
    await run();
    await census.assertUnchanged();
  },
);
