/**
 * Bytes that a runtime has in hand when a stream could be handed over: what was put in front of a file, what was read from
 * a socket and not yet given to its target. They come first, whatever a release of the runtime does with them.
 */
import { once } from "node:events";
import * as fs from "node:fs";
import { join } from "node:path";
import { report, verify } from "sluice/stream";
import { assert, test } from "../support/contract.ts";
import { collect, digest, sha256 } from "../support/data.ts";
import { takeFdCensus } from "../support/fds.ts";
import { tempFolder } from "../support/temp.ts";
import { connect } from "./support/connection.ts";
import { assertBytes, data, dataFile, KiB, MiB } from "./support/files.ts";
import { assertAlike, assertTaken, closed, ways } from "./support/streams.ts";

const engine = { needs: ["engine"] } as const;
const prefix = Buffer.from("what comes before;");

/** When something is put in front of a file. */
const moments: Readonly<Record<string, (source: fs.ReadStream, put: () => void) => void>> = {
  "before it is piped": (_source, put) => put(),
  "when it is open": (source, put) => void source.once("open", put),
  "when it is ready": (source, put) => void source.once("ready", put),
  "in the next tick": (_source, put) => process.nextTick(put),
};

for (const [moment, when] of Object.entries(moments))
  for (const size of [100, 100 * KiB, 2 * MiB])
    test(
      `what is put in front of a file of ${size} bytes ${moment} reaches a socket as by node:stream`,
      engine,
      async () => {
        const { path, content } = dataFile(tempFolder(), size);
        const received = await assertAlike(async (way) => {
          using link = await connect();
          const bytes = collect(link.peer);
          const source = way.createReadStream(path);
          when(source, () => source.unshift(prefix));
          way.pipe(source, link.socket);
          return sha256(await bytes);
        });
        assert.is(received, sha256(Buffer.concat([prefix, content])));
      },
    );

test("what is put in front of a file reaches a file first", engine, async () => {
  const folder = tempFolder();
  const { path, content } = dataFile(folder, MiB);
  await assertAlike(async (way) => {
    const into = join(folder, way.name.replace("/", "-"));
    const source = way.createReadStream(path);
    source.unshift(prefix);
    await way.promises.pipeline(source, fs.createWriteStream(into));
    assertBytes(fs.readFileSync(into), Buffer.concat([prefix, content]));
  });
});

test("uploads of any size arrive in order, by pipe and by pipeline", engine, async () => {
  const folder = tempFolder();
  for (let round = 0; round < 24; round++) {
    const content = data(64 * KiB + ((round * 7_919_000) % (6 * MiB)), round);
    using link = await connect();
    const into = join(folder, `${round}`);
    const target = fs.createWriteStream(into);
    link.peer.end(content);
    if (round % 2 === 0) ways.sluice.pipe(link.socket, target);
    else ways.sluice.pipeline(link.socket, target, () => {});
    await closed(target);
    assertBytes(fs.readFileSync(into), content, `round ${round}`);
    fs.unlinkSync(into);
  }
});

test("pairs of sockets give each other every byte in order", engine, async () => {
  const content = data(4 * MiB, 5);
  for (let round = 0; round < 12; round++) {
    using left = await connect();
    using right = await connect();
    ways.sluice.pipe(left.socket, right.socket);
    ways.sluice.pipe(right.socket, left.socket);
    right.peer.pipe(right.peer);
    const received = digest(left.peer);
    left.peer.end(content);
    assert.equal(await received, { bytes: content.length, sha256: sha256(content) }, `round ${round}`);
  }
});

test("bytes that an application writes between those of a pipe keep their place", engine, async () => {
  const content = data(8 * MiB, 6);
  await assertAlike(async (way) => {
    using left = await connect();
    using right = await connect();
    right.socket.write("hello;");
    const received = collect(right.peer);
    way.pipe(left.socket, right.socket);
    let seen = 0;
    const { write } = left.peer;
    for (let at = 0; at < content.length; at += MiB) {
      write.call(left.peer, content.subarray(at, at + MiB));
      while (right.socket.bytesWritten - seen < 64 * KiB) await new Promise((resolve) => setImmediate(resolve));
      seen = right.socket.bytesWritten;
    }
    left.peer.end();
    const whole = await received;
    assertBytes(whole, Buffer.concat([Buffer.from("hello;"), content]));
  });
});

test("bytes that are put back into a socket that is piped come before what follows", engine, async () => {
  const content = data(3 * MiB, 7);
  await assertAlike(async (way) => {
    using left = await connect();
    using right = await connect();
    const received = collect(right.peer);
    left.peer.end(content);
    const [first] = (await once(left.socket, "data")) as [Buffer];
    left.socket.pause();
    left.socket.unshift(first.subarray(10));
    way.pipe(left.socket, right.socket);
    assertBytes(await received, content.subarray(10));
  });
});

test("verify() tells what was tried, and leaves nothing open", { ...engine, alone: true }, async () => {
  const census = await takeFdCensus();
  const found = await verify();
  assert.equal(
    found.filter(({ ok }) => !ok),
    [],
  );
  assert.equal(await verify(), found);
  // Bun hands nothing over; Deno no sockets.
  if (process.versions["bun"] !== undefined) assert.is(found.length, 0);
  else assert.is(found.length, process.versions["deno"] === undefined ? 10 : 4);
  await census.assertUnchanged();
});

test("a file that nobody has put anything in front of is handed over at its first read", engine, async () => {
  const { path, content } = dataFile(tempFolder(), 2 * MiB);
  using link = await connect();
  const received = collect(link.peer);
  const source = ways.sluice.createReadStream(path);
  ways.sluice.pipe(source, link.socket);
  assertBytes(await received, content);
  assertTaken(ways.sluice, source, content.length);
  assert.ok(report(source));
});
