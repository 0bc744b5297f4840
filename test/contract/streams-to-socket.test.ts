/** fs.ReadStream → net.Socket by sluice/stream: what arrives, and what the streams tell, as with node:stream. */
import * as fs from "node:fs";
import { once } from "node:events";
import * as net from "node:net";
import { createReadStream, pipe, report } from "sluice/stream";
import { assert, test } from "../support/contract.ts";
import { collect, digest, sha256 } from "../support/data.ts";
import { takeFdCensus } from "../support/fds.ts";
import { tempFolder } from "../support/temp.ts";
import { connect } from "./support/connection.ts";
import { assertBytes, data, dataFile, KiB, MiB } from "./support/files.ts";
import {
  assertAlike,
  assertTaken,
  closed,
  eventsOf,
  stateOfSource,
  stateOfTarget,
  ways,
  withConnection,
} from "./support/streams.ts";

const engine = { needs: ["engine"] } as const;
const sizes = [1, 4 * KiB, 64 * KiB, 64 * KiB + 1, 256 * KiB, 256 * KiB + 1, 32 * MiB];

for (const size of sizes) {
  test(`pipe() of ${size} bytes to a socket is told of as by node:stream`, engine, async () => {
    const { path, content } = dataFile(tempFolder(), size);
    await assertAlike((way) =>
      withConnection(async ({ socket, peer }) => {
        const received = digest(peer);
        const source = way.createReadStream(path);
        const events = { source: eventsOf(source), target: eventsOf(socket) };
        assert.is(way.pipe(source, socket), socket);
        await Promise.all([closed(source), once(socket, "finish")]);
        peer.end();
        await closed(socket);
        assert.equal(await received, { bytes: size, sha256: sha256(content) });
        assertTaken(way, source, size);
        return { events, source: stateOfSource(source), target: stateOfTarget(socket) };
      }),
    );
  });
}

test("pipe() of an empty file to a socket ends both as node:stream does", engine, async () => {
  const { path } = dataFile(tempFolder(), 0);
  await assertAlike((way) =>
    withConnection(async ({ socket, peer }) => {
      const received = collect(peer);
      const source = way.createReadStream(path);
      const events = { source: eventsOf(source), target: eventsOf(socket) };
      way.pipe(source, socket);
      await Promise.all([closed(source), once(socket, "finish")]);
      peer.end();
      await closed(socket);
      assert.is((await received).length, 0);
      return { events, source: stateOfSource(source) };
    }),
  );
});

test("pipe() with end false leaves the socket open for what follows", engine, async () => {
  const { path, content } = dataFile(tempFolder(), MiB + 1);
  await assertAlike((way) =>
    withConnection(async ({ socket, peer }) => {
      const received = collect(peer);
      const events = eventsOf(socket);
      socket.write("before ");
      const source = way.createReadStream(path);
      way.pipe(source, socket, { end: false });
      await once(source, "end");
      assert.not.ok(socket.writableEnded);
      socket.end(" after");
      assertBytes(await received, Buffer.concat([Buffer.from("before "), content, Buffer.from(" after")]));
      peer.end();
      await Promise.all([closed(source), closed(socket)]);
      assertTaken(way, source, content.length);
      return { events, source: stateOfSource(source), bytesWritten: socket.bytesWritten };
    }),
  );
});

for (const [start, end] of [
  [0, 0],
  [5, undefined],
  [1000, 700_000],
  [undefined, 99_999],
  [900_000, 5_000_000],
  [2 * MiB, undefined],
] as const) {
  test(`pipe() of bytes ${start ?? "any"} to ${end ?? "the end"} sends exactly those`, engine, async () => {
    const { path, content } = dataFile(tempFolder(), MiB);
    const wanted = content.subarray(start ?? 0, end === undefined ? undefined : end + 1);
    await assertAlike((way) =>
      withConnection(async ({ socket, peer }) => {
        const received = collect(peer);
        const range = { ...(start !== undefined && { start }), ...(end !== undefined && { end }) };
        const source = way.createReadStream(path, range);
        const events = eventsOf(source);
        way.pipe(source, socket);
        assertBytes(await received, wanted);
        await closed(source);
        if (wanted.length > 0) assertTaken(way, source, wanted.length);
        return { events, source: stateOfSource(source), bytesWritten: socket.bytesWritten };
      }),
    );
  });
}

test("pipe() to a socket that is still connecting waits for it", engine, async () => {
  const { path, content } = dataFile(tempFolder(), 3 * MiB);
  await assertAlike(async (way) => {
    const server = net.createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const accepted = once(server, "connection");
    const socket = net.connect(port, "127.0.0.1");
    const source = way.createReadStream(path);
    const events = eventsOf(source);
    way.pipe(source, socket);
    const [peer] = (await accepted) as [net.Socket];
    assertBytes(await collect(peer), content);
    await Promise.all([closed(source), closed(socket)]);
    server.close();
    assertTaken(way, source, content.length);
    return { events, source: stateOfSource(source), target: stateOfTarget(socket) };
  });
});

test("several streams piped in turn to one socket keep their order", engine, async () => {
  const folder = tempFolder();
  const parts = [300_000, 10, 70_000, 2 * MiB].map((size, index) => dataFile(folder, size, index + 1));
  await assertAlike((way) =>
    withConnection(async ({ socket, peer }) => {
      const received = collect(peer);
      for (const { path } of parts) {
        const source = way.createReadStream(path);
        way.pipe(source, socket, { end: false });
        await once(source, "end");
      }
      socket.end();
      assertBytes(await received, Buffer.concat(parts.map(({ content }) => content)));
      return { bytesWritten: socket.bytesWritten, listeners: listenersOf(socket) };
    }),
  );
});

function listenersOf(socket: net.Socket): Readonly<Record<string, number>> {
  return Object.fromEntries(socket.eventNames().map((name) => [String(name), socket.listenerCount(name)]));
}

test("pipe() to sockets leaves no descriptor behind", { alone: true, needs: ["engine", "proc"] }, async () => {
  const { path } = dataFile(tempFolder(), 5 * MiB);
  const send = () =>
    assertAlike((way) =>
      withConnection(async ({ socket, peer }) => {
        const received = digest(peer);
        const source = way.createReadStream(path);
        way.pipe(source, socket);
        await closed(source);
        return (await received).bytes;
      }),
    );
  await send();
  const census = await takeFdCensus();
  await send();
  await census.assertUnchanged();
});

test("pipe() sends a file that grows meanwhile to its new end", engine, async () => {
  const folder = tempFolder();
  const { content } = dataFile(folder, 32 * MiB);
  const more = data(MiB, 7);
  await assertAlike((way) =>
    withConnection(async ({ socket, peer }) => {
      const path = `${folder}/${way.name.replace("/", "-")}`;
      fs.writeFileSync(path, content);
      const source = way.createReadStream(path);
      const events = eventsOf(source);
      way.pipe(source, socket);
      await once(peer, "readable");
      fs.appendFileSync(path, more);
      assertBytes(await collect(peer), Buffer.concat([content, more]));
      await closed(source);
      assertTaken(way, source, content.length + more.length);
      return { events, source: stateOfSource(source), bytesWritten: socket.bytesWritten };
    }),
  );
});

test("pipe() of a file that is cut meanwhile ends where the file does", engine, async () => {
  const folder = tempFolder();
  const { content } = dataFile(folder, 32 * MiB);
  await assertAlike((way) =>
    withConnection(async ({ socket, peer }) => {
      const path = `${folder}/${way.name.replace("/", "-")}`;
      fs.writeFileSync(path, content);
      const source = way.createReadStream(path);
      const events = eventsOf(source);
      way.pipe(source, socket);
      await once(peer, "readable");
      fs.truncateSync(path, MiB);
      const received = await collect(peer);
      // What the socket holds by reference to the page cache reads as zeros when it is cut, or still has its bytes.
      assert.ok(received.length >= MiB && received.length < content.length, `${received.length} bytes`);
      assertBytes(received.subarray(0, MiB), content.subarray(0, MiB));
      await closed(source);
      assert.is(source.bytesRead, received.length);
      return { events, ended: source.readableEnded };
    }),
  );
});

test("report() tells nothing before the stream has been decided on", engine, async () => {
  const { path } = dataFile(tempFolder(), MiB);
  using link = await connect();
  const source = createReadStream(path);
  pipe(source, link.socket);
  assert.is(report(source), undefined);
  await digest(link.peer);
  assertTaken(ways.sluice, source, MiB);
});
