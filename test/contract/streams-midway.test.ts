/** What an app does to a stream that is under way: the peer stands still meanwhile, so that it is. */
import type * as fs from "node:fs";
import { once } from "node:events";
import type * as net from "node:net";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { report } from "sluice/stream";
import { assert, test } from "../support/contract.ts";
import { collect, digest } from "../support/data.ts";
import { takeFdCensus } from "../support/fds.ts";
import { tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { type Connection, connect } from "./support/connection.ts";
import { openFds } from "./support/descriptors.ts";
import { assertBytes, dataFile, MiB } from "./support/files.ts";
import { assertAlike, closed, codeOf, eventsOf, stateOfSource, take, type Way, ways } from "./support/streams.ts";

const engine = { needs: ["engine"] } as const;
const { path, content } = dataFile(tempFolder(), 32 * MiB);

interface Scene extends Disposable {
  readonly source: fs.ReadStream;
  readonly socket: net.Socket;
  readonly link: Connection;
  readonly first: Buffer;
  readonly events: { readonly source: string[]; readonly target: string[] };
}

/** A file on its way to a socket whose peer has read one MiB and stands still. */
async function scene(way: Way, options: { end?: boolean } = {}): Promise<Scene> {
  const link = await connect();
  const { socket, peer } = link;
  const source = way.createReadStream(path);
  const events = { source: eventsOf(source), target: eventsOf(socket) };
  way.pipe(source, socket, options);
  const first = await take(peer, MiB);
  return { source, socket, link, first, events, [Symbol.dispose]: () => link[Symbol.dispose]() };
}

test("unpipe() and pipe() again send every byte once, in order", engine, async () => {
  await assertAlike(async (way) => {
    using it = await scene(way);
    it.source.unpipe(it.socket);
    await sleep(30);
    it.source.pipe(it.socket);
    assertBytes(Buffer.concat([it.first, await collect(it.link.peer)]), content);
    it.link.peer.end();
    await Promise.all([closed(it.source), closed(it.socket)]);
    return { events: it.events, source: stateOfSource(it.source), written: it.socket.bytesWritten };
  });
});

test("unpipe() hands the rest to another target", engine, async () => {
  await assertAlike(async (way) => {
    using it = await scene(way);
    using other = await connect();
    it.source.unpipe(it.socket);
    it.source.pipe(other.socket);
    const rest = await collect(other.peer);
    it.socket.end();
    assertBytes(Buffer.concat([it.first, await collect(it.link.peer), rest]), content);
    await closed(it.source);
    return stateOfSource(it.source);
  });
});

test("pause() stops and resume() goes on, every byte once", engine, async () => {
  await assertAlike(async (way) => {
    using it = await scene(way);
    for (let round = 0; round < 5; round++) {
      it.source.pause();
      await sleep(10);
      it.source.resume();
    }
    assertBytes(Buffer.concat([it.first, await collect(it.link.peer)]), content);
    await closed(it.source);
    return { source: stateOfSource(it.source), written: it.socket.bytesWritten };
  });
});

test("a paused stream stays paused", engine, async () => {
  await assertAlike(async (way) => {
    using it = await scene(way);
    // pipe() itself may resume a stream that somebody else has paused, when its target drains.
    const ended = once(it.link.peer, "end");
    it.source.pause();
    let received = it.first.length;
    it.link.peer.on("data", (chunk: Buffer) => (received += chunk.length)).resume();
    // What the kernel holds arrives still.
    let atRest: number;
    do {
      atRest = received;
      await sleep(300);
    } while (received !== atRest);
    await sleep(200);
    assert.is(received, atRest);
    it.source.resume();
    await ended;
    return received;
  });
});

test("a 'data' listener sees the rest, and the target everything", engine, async () => {
  await assertAlike(async (way) => {
    using it = await scene(way);
    const seen: Buffer[] = [];
    it.source.on("data", (chunk) => seen.push(chunk as Buffer));
    assertBytes(Buffer.concat([it.first, await collect(it.link.peer)]), content);
    const tail = Buffer.concat(seen);
    assert.ok(tail.length > 0);
    assertBytes(tail, content.subarray(content.length - tail.length));
    await closed(it.source);
    return stateOfSource(it.source);
  });
});

test("a second target gets the rest, and the first everything", engine, async () => {
  await assertAlike(async (way) => {
    using it = await scene(way);
    using other = await connect();
    const tail = collect(other.peer);
    it.source.pipe(other.socket);
    assertBytes(Buffer.concat([it.first, await collect(it.link.peer)]), content);
    const bytes = await tail;
    assert.ok(bytes.length > 0);
    assertBytes(bytes, content.subarray(content.length - bytes.length));
    await closed(it.source);
    return stateOfSource(it.source);
  });
});

test("destroy() of the source closes it and leaves the socket open", engine, async () => {
  await assertAlike(async (way) => {
    using it = await scene(way);
    it.source.destroy();
    await closed(it.source);
    await sleep(20);
    assert.not.ok(it.socket.destroyed);
    it.socket.end();
    const got = Buffer.concat([it.first, await collect(it.link.peer)]);
    assert.ok(got.length < content.length);
    assertBytes(got, content.subarray(0, got.length));
    return { events: it.events.source, ended: it.source.readableEnded };
  });
});

test("destroy(error) of the source is told of once", engine, async () => {
  await assertAlike(async (way) => {
    using it = await scene(way);
    const errors: string[] = [];
    it.source.on("error", (error) => errors.push(codeOf(error)));
    it.source.destroy(new RangeError("enough"));
    await closed(it.source);
    await sleep(20);
    return { events: it.events.source, errors, destroyed: it.socket.destroyed };
  });
});

test("destroy() of the socket is told of as by node:stream", engine, async () => {
  await assertAlike(async (way) => {
    using it = await scene(way);
    it.socket.destroy();
    await closed(it.socket);
    await sleep(20);
    // Plain pipe() leaves the source open, which is the one documented difference.
    it.source.destroy();
    await closed(it.source);
    return { events: it.events };
  });
});

test("socket.write() sends its bytes once, at some point", engine, async () => {
  await assertAlike(async (way) => {
    using it = await scene(way);
    const mark = Buffer.from("<between>");
    it.socket.write(mark);
    const got = Buffer.concat([it.first, await collect(it.link.peer)]);
    const at = got.indexOf(mark);
    assert.ok(at >= 0);
    assertBytes(Buffer.concat([got.subarray(0, at), got.subarray(at + mark.length)]), content);
    await closed(it.source);
    return { source: stateOfSource(it.source), written: it.socket.bytesWritten };
  });
});

test("socket.end() is followed by no byte of another stream", engine, async () => {
  using it = await scene(ways.sluice);
  it.socket.on("error", () => undefined);
  it.socket.end();
  const got = Buffer.concat([it.first, await collect(it.link.peer)]);
  assertBytes(got, content.subarray(0, got.length));
  it.source.destroy();
  await closed(it.source);
});

test("a client that goes away is told of as by node:stream", engine, async () => {
  await assertAlike(async (way) => {
    using it = await scene(way);
    const error = new Promise<string>((resolve) => it.socket.once("error", (thrown) => resolve(codeOf(thrown))));
    it.link.peer.resetAndDestroy();
    assert.ok(["ECONNRESET", "EPIPE"].includes(await error));
    await closed(it.socket);
    it.source.destroy();
    await closed(it.source);
    // The kernel tells of a reset once; where the engine hears it, the runtime reads an end.
    return { source: it.events.source, target: it.events.target.filter((event) => !/^(error|end)/.test(event)) };
  });
});

test(
  "streams that are meddled with leave no descriptor behind",
  { alone: true, needs: ["engine", "proc"] },
  async () => {
    const acts: readonly ((it: Scene) => void)[] = [
      ({ source }) => source.destroy(),
      ({ socket }) => socket.destroy(),
      ({ source, socket }) => source.unpipe(socket).destroy(),
      ({ source }) => source.pause().destroy(),
      ({ link }) => link.peer.resetAndDestroy(),
    ];
    const run = () =>
      assertAlike(async (way) => {
        for (const act of acts) {
          using it = await scene(way);
          it.socket.on("error", () => undefined);
          act(it);
          await sleep(20);
          it.source.destroy();
          await closed(it.source);
        }
      });
    await run();
    const census = await takeFdCensus();
    await run();
    assert.not.ok([...openFds().values()].includes(path), "the file is open");
    // Deno closes a socket that is destroyed with a write under way when it is collected, with its own streams too.
    if (process.versions["deno"] === undefined) await census.assertUnchanged();
  },
);

test("a stream that waits for its turn can be unpiped and sent elsewhere", engine, async () => {
  await assertAlike(async (way) => {
    using link = await connect();
    using other = await connect();
    // The socket's queue is full, and nobody reads it.
    link.socket.write(content);
    const source = way.createReadStream(path);
    way.pipe(source, link.socket);
    await sleep(50);
    source.unpipe(link.socket);
    const received = digest(other.peer);
    source.pipe(other.socket);
    return (await received).bytes > MiB;
  });
});

test("a stream that waits for its turn can be destroyed", engine, async () => {
  await assertAlike(async (way) => {
    using link = await connect();
    link.socket.write(content);
    const source = way.createReadStream(path);
    const events = eventsOf(source);
    way.pipe(source, link.socket, { end: false });
    await sleep(50);
    source.destroy();
    await closed(source);
    const received = collect(link.peer);
    link.socket.end("end");
    const bytes = await received;
    assertBytes(bytes.subarray(0, content.length), content);
    return { events, last: bytes.subarray(-3).toString() };
  });
});

test("an own _destroy of a stream survives and is called once", engine, async () => {
  await assertAlike(async (way) => {
    using link = await connect();
    let calls = 0;
    const source = way.createReadStream(path, { autoClose: true });
    const { _destroy } = source;
    source._destroy = function own(error, callback) {
      calls++;
      _destroy.call(source, error, callback);
    };
    way.pipe(source, link.socket);
    const received = digest(link.peer);
    await closed(source);
    assert.is((await received).bytes, content.length);
    assert.is(calls, 1);
    return Object.hasOwn(source, "_destroy");
  });
});

test("streams that were stopped leave no listener on their target", engine, async () => {
  await assertAlike(async (way) => {
    using link = await connect();
    const { socket, peer } = link;
    const received = digest(peer);
    for (let round = 0; round < 3; round++) {
      const source = way.createReadStream(path);
      way.pipe(source, socket, { end: false });
      await once(source, "open");
      await sleep(5);
      source.pause();
      await sleep(5);
      source.resume();
      await closed(source);
    }
    const left = Object.fromEntries(socket.eventNames().map((name) => [String(name), socket.listenerCount(name)]));
    socket.end();
    assert.is((await received).bytes, 3 * content.length);
    return left;
  });
});

test("report() of a stream that was stopped tells why", engine, async () => {
  using it = await scene(ways.sluice);
  it.source.pause();
  if (process.versions["bun"] === undefined) {
    await waitFor("it to stop", () => report(it.source) !== undefined);
    const told = report(it.source);
    assert.is(told?.reason, "the stream was paused");
    assert.ok(told?.native);
  }
  it.source.destroy();
  await closed(it.source);
});
