/** CASES.md E 67 and 68: the socket is ended or destroyed on this side. */
import * as fs from "node:fs";
import { join } from "node:path";
import type { Socket } from "node:net";
import { transfer } from "sluice";
import { assert, test } from "../support/contract.ts";
import { collect } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { type Connection, connect, listen, readExactly } from "./support/connection.ts";
import { fdOfSocket, openFds } from "./support/descriptors.ts";
import { assertBytes, dataFile, MiB } from "./support/files.ts";
import { aWhile, failure } from "./support/outcome.ts";

/** Swallows the 'error' that a destroyed socket may emit. */
const mute = (socket: Socket) => socket.on("error", () => undefined);

test("transfer() to a socket that was ended before is an error with 0 bytes (67)", {}, async () => {
  const { path } = dataFile(tempFolder(), MiB);
  using link = await connect();
  const received = collect(link.peer);
  link.socket.end("bye");
  const error = await failure(() => transfer(path, link.socket));
  assert.ok(["EPIPE", "ERR_STREAM_WRITE_AFTER_END", "ERR_SLUICE_CLOSED"].includes(error.code), error.code);
  assert.is(error.bytesTransferred, 0);
  assert.is((await received).toString(), "bye");
});

test("transfer() to a socket that was destroyed before is an error with 0 bytes (67)", {}, async () => {
  const { path } = dataFile(tempFolder(), MiB);
  using link = await connect();
  link.socket.destroy();
  const error = await failure(() => transfer(path, link.socket));
  assert.ok(["EPIPE", "ERR_STREAM_DESTROYED", "ERR_SLUICE_CLOSED"].includes(error.code), error.code);
  assert.is(error.bytesTransferred, 0);
});

/** Destroys a socket in mid-transfer, gives its number to somebody else at once, and lets the old peer go on. */
async function destroyAndReuse(reuse: (fd: number) => Promise<() => Promise<number>>): Promise<void> {
  const { path } = dataFile(tempFolder(), 64 * MiB);
  using link = await connect();
  mute(link.socket);
  const fd = fdOfSocket(link.socket);
  const sending = failure(() => transfer(path, link.socket));
  await readExactly(link.peer, 1000);
  link.socket.destroy();
  const arrivedAtStranger = await reuse(fd);
  const error = await sending;
  assert.is(error.code, "ERR_SLUICE_CLOSED");
  assert.ok(error.bytesTransferred >= 1000 && error.bytesTransferred < 64 * MiB);
  const old = collect(link.peer).catch(() => Buffer.alloc(0));
  await aWhile();
  await old;
  assert.is(await arrivedAtStranger(), 0, "not one byte to the stranger");
}

test(
  "transfer() to a destroyed socket sends nothing to a new connection of the same number (68)",
  { needs: ["proc"] },
  async () => {
    await destroyAndReuse(async (fd) => {
      const strangers: Connection[] = [];
      await using host = await listen();
      while (!openFds().get(fd)?.startsWith("socket:")) strangers.push(await host.connect());
      let bytes = 0;
      const count = (chunk: Buffer) => (bytes += chunk.length);
      for (const { socket, peer } of strangers) for (const end of [socket, peer]) end.on("data", count);
      return async () => {
        await aWhile();
        for (const stranger of strangers) stranger[Symbol.dispose]();
        return bytes;
      };
    });
  },
);

test(
  "transfer() to a destroyed socket writes nothing to a file of the same number (68)",
  { needs: ["proc"] },
  async () => {
    await destroyAndReuse(async (fd) => {
      const folder = tempFolder();
      const opened: number[] = [];
      await waitFor("the number to be free", () => {
        opened.push(fs.openSync(join(folder, `stranger-${opened.length}`), "w"));
        return opened.includes(fd);
      });
      return async () => {
        await aWhile();
        const sizes = opened.map((number) => fs.fstatSync(number).size);
        for (const number of opened) fs.closeSync(number);
        return sizes.reduce((sum, size) => sum + size, 0);
      };
    });
  },
);

test("transfer() rejects with bytes that are a true prefix when the socket is destroyed (68)", {}, async () => {
  const { path, content } = dataFile(tempFolder(), 64 * MiB);
  using link = await connect();
  mute(link.socket);
  const sending = failure(() => transfer(path, link.socket));
  const first = await readExactly(link.peer, 1000);
  link.socket.destroySoon();
  link.socket.destroy();
  const received = Buffer.concat([first, await collect(link.peer)]);
  const error = await sending;
  assert.is(error.bytesTransferred, received.length);
  assertBytes(received, content.subarray(0, received.length));
});
