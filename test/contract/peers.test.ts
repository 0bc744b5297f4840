/** CASES.md E: what the other end of the connection does, or fails to do. */
import { once } from "node:events";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { Socket } from "node:net";
import { transfer } from "sluice";
import { assert, test } from "../support/contract.ts";
import { collect, digest, sha256 } from "../support/data.ts";
import { takeFdCensus } from "../support/fds.ts";
import { tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { type Connection, connect, listen, readExactly } from "./support/connection.ts";
import { fdInfo, fdOfSocket } from "./support/descriptors.ts";
import { assertBytes, data, dataFile, KiB, MiB, sparseFile } from "./support/files.ts";
import { aWhile, failure, watch } from "./support/outcome.ts";

const broken = ["ECONNRESET", "EPIPE"];

/** Counts how often a socket emits 'close', and swallows the 'error' that a destroyed one may emit before. */
function closings(socket: Socket): { readonly count: number } {
  const state = { count: 0 };
  socket.on("error", () => undefined).on("close", () => state.count++);
  return state;
}

test(
  "transfer() to a peer that does not read waits without turning and resumes (60)",
  { needs: ["proc"] },
  async () => {
    const { path, content } = dataFile(tempFolder(), 64 * MiB);
    using link = await connect();
    const fd = fdOfSocket(link.socket);
    const { flags } = fdInfo(fd);
    const sending = transfer(path, link.socket);
    const state = watch(sending);
    await readExactly(link.peer, 1);
    await aWhile();
    assert.not.ok(state.settled);
    const received = digest(link.peer);
    const report = await sending;
    link.socket.end();
    assert.is(fdInfo(fd).flags, flags, "O_NONBLOCK is the runtime's own affair");
    assert.ok(report.syscalls < 20_000, `${report.syscalls} system calls: it did not wait but poll`);
    assert.equal(await received, { bytes: content.length - 1, sha256: sha256(content.subarray(1)) });
  },
);

test("transfer() to a stalled peer leaves the event loop and other transfers free (60)", {}, async () => {
  const folder = tempFolder();
  const { path } = dataFile(folder, 64 * MiB);
  const other = dataFile(folder, MiB, 2);
  using stalled = await connect();
  using brisk = await connect();
  const abort = new AbortController();
  const waiting = failure(() => transfer(path, stalled.socket, { signal: abort.signal }));
  await readExactly(stalled.peer, 1);
  const received = collect(brisk.peer);
  await transfer(other.path, brisk.socket);
  brisk.socket.end();
  assertBytes(await received, other.content);
  abort.abort();
  assert.is((await waiting).code, "ABORT_ERR");
});

test("transfer() beside 1,000 stalled peers is not held up by them (61)", { timeoutMs: 60_000 }, async () => {
  const folder = tempFolder();
  // Unix sockets hold 208 KiB each; 1,000 TCP ones would hold more than the kernel grants TCP as a whole.
  await using host = await listen(join(folder, "socket"));
  const source = fs.openSync(sparseFile(join(folder, "stalled"), 4 * MiB), "r");
  const brisk = dataFile(folder, 64 * MiB, 2);
  const abort = new AbortController();
  const links: Connection[] = [];
  const stalled = [];
  for (let i = 0; i < 1000; i++) {
    const link = await host.connect();
    links.push(link);
    const sending = failure(() => transfer(source, link.socket, { signal: abort.signal }));
    stalled.push({ sending, state: watch(sending) });
  }
  using link = await connect();
  const received = digest(link.peer);
  const { bytes } = await transfer(brisk.path, link.socket);
  link.socket.end();
  assert.is(bytes, brisk.content.length);
  assert.equal(await received, { bytes, sha256: sha256(brisk.content) });
  assert.is(stalled.filter(({ state }) => state.settled).length, 0, "the stalled ones are still waiting");
  abort.abort();
  for (const { sending } of stalled) {
    const error = await sending;
    assert.is(error.code, "ABORT_ERR");
    assert.ok(error.bytesTransferred < 4 * MiB);
  }
  for (const one of links) one[Symbol.dispose]();
  fs.closeSync(source);
});

test("transfer() to a slow reader does not gather the file in memory (62)", {}, async () => {
  const size = 192 * MiB;
  const path = sparseFile(join(tempFolder(), "sparse"), size);
  using link = await connect();
  const before = process.memoryUsage().arrayBuffers;
  const sending = transfer(path, link.socket);
  let read = 0;
  for (let step = 0; step < 100; step++) {
    read += (await readExactly(link.peer, KiB)).length;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const grown = process.memoryUsage().arrayBuffers - before;
  // The peer is in this process too: what it has read is garbage of its own until it is collected.
  assert.ok(grown < size / 2, `${grown} bytes are held`);
  const rest = digest(link.peer);
  assert.is((await sending).bytes, size);
  link.socket.end();
  assert.is((await rest).bytes, size - read);
});

test(
  "transfer() to a peer that closes after 1,024 bytes fails, and nothing stays open (63)",
  { alone: true, needs: ["proc"] },
  async () => {
    const folder = tempFolder();
    const { path } = dataFile(folder, 64 * MiB);
    await transfer(path, "/dev/null");
    {
      using warm = await connect();
      await transfer(path, warm.socket, { length: 1 });
    }
    const census = await takeFdCensus();
    {
      using link = await connect();
      const closed = closings(link.socket);
      const sending = failure(() => transfer(path, link.socket));
      await readExactly(link.peer, 1024);
      link.peer.destroy();
      const error = await sending;
      assert.ok(broken.includes(error.code), error.code);
      assert.ok(error.bytesTransferred >= 1024 && error.bytesTransferred < 64 * MiB);
      await waitFor("the socket to close", () => closed.count > 0);
      assert.ok(link.socket.destroyed, "a broken connection is not left for the caller to find out");
      await aWhile();
      assert.is(closed.count, 1);
    }
    await census.assertUnchanged();
  },
);

test("transfer() to a peer that resets before the first byte fails with 0 bytes (64)", {}, async () => {
  const { path } = dataFile(tempFolder(), MiB);
  using link = await connect();
  closings(link.socket);
  link.peer.resetAndDestroy();
  await once(link.peer, "close");
  const error = await failure(() => transfer(path, link.socket));
  assert.ok([...broken, "ERR_SLUICE_CLOSED", "ERR_STREAM_DESTROYED"].includes(error.code), error.code);
  assert.is(error.bytesTransferred, 0);
});

test("transfer() to a peer that resets between chunks fails with what had left (64)", {}, async () => {
  const { path } = dataFile(tempFolder(), 64 * MiB);
  using link = await connect();
  closings(link.socket);
  const sending = failure(() => transfer(path, link.socket));
  await readExactly(link.peer, 100 * KiB);
  link.peer.resetAndDestroy();
  const error = await sending;
  assert.ok(broken.includes(error.code), error.code);
  assert.ok(error.bytesTransferred >= 100 * KiB && error.bytesTransferred < 64 * MiB);
});

test("transfer() that has handed everything over resolves although the peer resets then (64)", {}, async () => {
  const { path } = dataFile(tempFolder(), 10 * KiB);
  using link = await connect();
  closings(link.socket);
  const { bytes } = await transfer(path, link.socket);
  link.peer.resetAndDestroy();
  assert.is(bytes, 10 * KiB);
});

test("transfer() to a peer that ends its own half goes on (64)", {}, async () => {
  const { path, content } = dataFile(tempFolder(), 8 * MiB);
  using link = await connect();
  link.socket.resume();
  link.peer.end();
  await once(link.socket, "end");
  const received = collect(link.peer);
  assert.is((await transfer(path, link.socket)).bytes, content.length);
  link.socket.end();
  assertBytes(await received, content);
});

test("transfer() to one peer after the other over one connection each leaves sockets reusable (60)", {}, async () => {
  const folder = tempFolder();
  const files = Array.from({ length: 50 }, (_, i) => dataFile(folder, 1000 + i * 7919, i + 1));
  using link = await connect();
  const total = Buffer.concat(files.map(({ content }) => content));
  const received = readExactly(link.peer, total.length);
  for (const { path } of files) await transfer(path, link.socket);
  assertBytes(await received, total);
  const greeting = data(10, 99);
  link.socket.write(greeting);
  assertBytes(await readExactly(link.peer, 10), greeting);
});
