/** CASES.md D 55 to 57: a transfer takes its turn among the writes to a socket. */
import { once } from "node:events";
import * as fs from "node:fs";
import { join } from "node:path";
import { transfer } from "sluice";
import { assert, test } from "../support/contract.ts";
import { collect } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";
import { arrivals, connect, readExactly } from "./support/connection.ts";
import { assertBytes, data, dataFile, KiB, MiB } from "./support/files.ts";
import { failure, watch } from "./support/outcome.ts";

const fileSizes = [0, 1, 100 * KiB, 8 * MiB];

for (const size of fileSizes) {
  for (const around of [1, 8 * KiB, 64 * KiB, 8 * MiB]) {
    test(`transfer() of ${size} bytes keeps its place between writes of ${around} (55)`, {}, async () => {
      const { path, content } = dataFile(tempFolder(), size);
      const prefix = data(around, 2);
      const suffix = data(around, 3);
      const { result, received } = await arrivals(async (socket) => {
        socket.write(prefix);
        const sending = transfer(path, socket);
        socket.write(suffix);
        return await sending;
      });
      assert.is(result.bytes, size);
      assertBytes(received, Buffer.concat([prefix, content, suffix]));
    });
  }
}

test("transfer() goes behind many small writes and before many more (55)", {}, async () => {
  const { path, content } = dataFile(tempFolder(), 500_000);
  const before = data(50_000, 2);
  const after = data(50_000, 3);
  const { received } = await arrivals(async (socket) => {
    for (let at = 0; at < before.length; at += 50) socket.write(before.subarray(at, at + 50));
    const sending = transfer(path, socket);
    for (let at = 0; at < after.length; at += 50) socket.write(after.subarray(at, at + 50));
    await sending;
  });
  assertBytes(received, Buffer.concat([before, content, after]));
});

test("transfer() goes behind writes that the socket holds corked (55)", {}, async () => {
  const { path, content } = dataFile(tempFolder(), 500_000);
  const { received } = await arrivals(async (socket) => {
    socket.cork();
    socket.write("head ");
    const sending = transfer(path, socket);
    socket.write(" tail");
    socket.uncork();
    await sending;
  });
  assertBytes(received, Buffer.concat([Buffer.from("head "), content, Buffer.from(" tail")]));
});

test("transfer() keeps writes made while it is under way behind it (56)", {}, async () => {
  const { path, content } = dataFile(tempFolder(), 40 * MiB);
  using link = await connect();
  const sending = transfer(path, link.socket);
  const first = await readExactly(link.peer, 1000);
  const order: string[] = [];
  const written = new Promise<void>((resolve) => {
    link.socket.write("during", () => {
      order.push("write");
      resolve();
    });
  });
  const rest = collect(link.peer);
  await sending;
  order.push("transfer");
  await written;
  link.socket.end();
  assertBytes(Buffer.concat([first, await rest]), Buffer.concat([content, Buffer.from("during")]));
  assert.is([...order].sort().join(), "transfer,write");
});

test("transfer() calls on one socket go one after the other in call order (57)", {}, async () => {
  const folder = tempFolder();
  const files = [3 * MiB, 1, 70_000, 0, 2 * MiB].map((size, i) => dataFile(folder, size, i + 1));
  const { received } = await arrivals(async (socket) => {
    await Promise.all(files.map(({ path }) => transfer(path, socket)));
  });
  assertBytes(received, Buffer.concat(files.map(({ content }) => content)));
});

test("transfer() calls mixed with writes keep the order of the calls (55, 57)", {}, async () => {
  const folder = tempFolder();
  const one = dataFile(folder, 2 * MiB, 1);
  const two = dataFile(folder, 3 * MiB, 2);
  const { received } = await arrivals(async (socket) => {
    socket.write("a");
    const first = transfer(one.path, socket);
    socket.write("b");
    const second = transfer(two.path, socket);
    socket.write("c");
    await Promise.all([first, second]);
  });
  const letter = (text: string) => Buffer.from(text);
  assertBytes(received, Buffer.concat([letter("a"), one.content, letter("b"), two.content, letter("c")]));
});

test("transfer() that fails gives its turn to the next one and to later writes (57)", {}, async () => {
  const folder = tempFolder();
  const { path, content } = dataFile(folder, MiB);
  const { received } = await arrivals(async (socket) => {
    const failing = failure(() => transfer(join(folder, "missing"), socket));
    const sending = transfer(path, socket);
    socket.write("after");
    assert.is((await failing).code, "ENOENT");
    await sending;
  });
  assertBytes(received, Buffer.concat([content, Buffer.from("after")]));
});

test(
  "transfer() that is aborted while it waits for its turn sends nothing and lets the rest through (57, 69)",
  {},
  async () => {
    const folder = tempFolder();
    const long = dataFile(folder, 40 * MiB, 1);
    const other = dataFile(folder, MiB, 2);
    using link = await connect();
    const abort = new AbortController();
    const sending = transfer(long.path, link.socket);
    const waiting = failure(() => transfer(other.path, link.socket, { signal: abort.signal }));
    link.socket.write("after");
    const first = await readExactly(link.peer, 1000);
    abort.abort();
    const error = await waiting;
    assert.is(error.code, "ABORT_ERR");
    assert.is(error.bytesTransferred, 0);
    const rest = collect(link.peer);
    await sending;
    link.socket.end();
    assertBytes(Buffer.concat([first, await rest]), Buffer.concat([long.content, Buffer.from("after")]));
  },
);

test("transfer() finishes before an end() called during it closes the connection (56)", {}, async () => {
  const { path, content } = dataFile(tempFolder(), 16 * MiB);
  using link = await connect();
  const received = collect(link.peer);
  const sending = transfer(path, link.socket);
  link.socket.end("last words");
  assert.is((await sending).bytes, content.length);
  assertBytes(await received, Buffer.concat([content, Buffer.from("last words")]));
});

test("transfer() leaves the socket's stream as it was: empty, writable, finishing when ended", {}, async () => {
  const { path } = dataFile(tempFolder(), MiB);
  using link = await connect();
  const received = collect(link.peer);
  const listeners = [...link.socket.eventNames()].sort().join();
  await transfer(path, link.socket);
  assert.is(link.socket.writableLength, 0);
  assert.is(link.socket.writableNeedDrain, false);
  assert.is([...link.socket.eventNames()].sort().join(), listeners, "no listener stays behind");
  const finish = once(link.socket, "finish");
  link.socket.end();
  await finish;
  assert.is((await received).length, MiB);
});

test("transfer() resolves although nobody reads while it fits, and the peer's half stays readable", {}, async () => {
  const path = join(tempFolder(), "small");
  fs.writeFileSync(path, "question");
  using link = await connect();
  const answer = readExactly(link.socket, 6);
  await transfer(path, link.socket);
  link.peer.write("answer");
  assert.is((await answer).toString(), "answer");
  assert.is((await readExactly(link.peer, 8)).toString(), "question");
});

test("transfer() to a socket that is still connecting waits for the connection (55)", {}, async () => {
  const { path, content } = dataFile(tempFolder(), MiB);
  const { received, settled } = await connecting(path);
  assert.is(settled, content.length);
  assertBytes(received, content);
});

async function connecting(path: string): Promise<{ received: Buffer; settled: number }> {
  const { createServer, Socket } = await import("node:net");
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("No TCP port");
  const accepted = once(server, "connection");
  const socket = new Socket().connect(address.port, "127.0.0.1");
  const sending = transfer(path, socket);
  const state = watch(sending);
  assert.is(state.settled, false);
  const [peer] = await accepted;
  server.close();
  const received = collect(peer);
  const { bytes } = await sending;
  socket.end();
  return { received: await received, settled: bytes };
}
