/** Conns of Deno.listen and Deno.connect as source and target. */
import * as fs from "node:fs";
import { join } from "node:path";
import { explain, proxy, transfer } from "sluice";
import { connect } from "../../contract/support/connection.ts";
import { assertBytes, data, dataFile, KiB, MiB } from "../../contract/support/files.ts";
import { failure } from "../../contract/support/outcome.ts";
import { assert, test } from "../../support/contract.ts";
import { collect, digest, sha256 } from "../../support/data.ts";
import { openDescriptors } from "../../support/fds.ts";
import { tempFolder } from "../../support/temp.ts";
import { settles, waitFor } from "../../support/wait.ts";
import { accepted, kinds, writeAll } from "./conns.ts";

for (const [kind, { native, open }] of Object.entries(kinds)) {
  test(`transfer() of a file to ${kind} is ${native ? "sendfile" : "portable"}`, { needs: ["engine"] }, async () => {
    const { path, content } = dataFile(tempFolder(), 8 * MiB + 1);
    using link = await open();
    const received = digest(link.peer.readable);
    const { strategy, bytes } = await transfer(path, link.conn);
    await link.conn.closeWrite();
    assert.is(strategy, native ? "sendfile" : "portable");
    assert.equal(await received, { bytes: content.length, sha256: sha256(content) });
    assert.is(bytes, content.length);
  });

  test(`transfer() from ${kind} to a file takes every byte`, {}, async () => {
    const content = data(5 * MiB + 3);
    const into = join(tempFolder(), "target");
    using link = await open();
    const [{ bytes }] = await Promise.all([transfer(link.conn, into), writeAll(link.peer, content)]);
    assert.is(bytes, content.length);
    assertBytes(fs.readFileSync(into), content);
  });

  test(`transfer() from ${kind} that was closed for writing takes every byte`, {}, async () => {
    const content = data(3 * MiB + 3);
    const into = join(tempFolder(), "target");
    using link = await open();
    await link.conn.closeWrite();
    const sending = (async () => {
      // Longer than the interval in which a conn is asked whether it is closed.
      await new Promise((resolve) => setTimeout(resolve, 200));
      await writeAll(link.peer, content);
    })();
    const [{ bytes }] = await Promise.all([transfer(link.conn, into), sending]);
    assert.is(bytes, content.length);
    assertBytes(fs.readFileSync(into), content);
  });

  test(`transfer() of a part from ${kind} lets Deno read the rest`, {}, async () => {
    const content = data(100 * KiB);
    const into = join(tempFolder(), "target");
    using link = await open();
    await Promise.all([transfer(link.conn, into, { length: 60 * KiB }), writeAll(link.peer, content)]);
    assertBytes(fs.readFileSync(into), content.subarray(0, 60 * KiB));
    assertBytes(await collect(link.conn.readable), content.subarray(60 * KiB));
  });

  test(`transfer() to ${kind} comes after writes that were not waited for`, {}, async () => {
    const { path, content } = dataFile(tempFolder(), 300 * KiB);
    const prefix = Buffer.from("PREFIX");
    using link = await open();
    const received = collect(link.peer.readable);
    const written = link.conn.write(prefix);
    await transfer(path, link.conn);
    assert.is(await written, prefix.length);
    await link.conn.closeWrite();
    assertBytes(await received, Buffer.concat([prefix, content]));
  });

  test(`transfer() with ${kind} that was closed is ERR_SLUICE_CLOSED, and a stranger gets no byte`, {}, async () => {
    const folder = tempFolder();
    const { path } = dataFile(folder, 1000);
    using link = await open();
    link.conn.close();
    // Whoever opens something now is likely to get the number.
    const stranger = join(folder, "stranger");
    const fds = Array.from({ length: 32 }, () => fs.openSync(stranger, "a+"));
    for (const call of [() => transfer(path, link.conn), () => transfer(link.conn, join(folder, "target"))])
      assert.is((await failure(call)).code, "ERR_SLUICE_CLOSED");
    assert.is(fs.statSync(stranger).size, 0);
    assert.not.ok(fs.existsSync(join(folder, "target")));
    for (const fd of fds) fs.closeSync(fd);
  });

  test(`transfer() ends when ${kind} is closed under way, and leaves nothing open`, {}, async () => {
    const { path } = dataFile(tempFolder(), 32 * MiB);
    const stall = async () => {
      using link = await open();
      let moved = 0;
      const failed = failure(() => transfer(path, link.conn, { onProgress: (bytes) => void (moved = bytes) }));
      await waitFor("it to be on its way", () => moved > 0);
      link.conn.close();
      const { bytesTransferred } = await failed;
      assert.ok(bytesTransferred < 32 * MiB);
    };
    for (let i = 0; i < 3; i++) await stall();
    const before = openDescriptors().length;
    for (let i = 0; i < 10; i++) await stall();
    // Deno opens a pair of sockets for itself at some time; what is lost here would be lost each time.
    assert.ok(await settles(() => openDescriptors().length < before + 5), openDescriptors().join("\n"));
  });
}

test("explain() says why a connected conn is portable", { needs: ["engine"] }, async () => {
  const { path } = dataFile(tempFolder(), 1000);
  using link = await kinds["a connected Deno.TcpConn"].open();
  assert.match(JSON.stringify(await explain(path, link.conn)), /accepted TCP conns only/);
});

test("transfer() relays from one conn to another", {}, async () => {
  const content = data(4 * MiB);
  using left = await accepted();
  using right = await accepted();
  const received = digest(right.peer.readable);
  const [{ bytes }] = await Promise.all([transfer(left.conn, right.conn), writeAll(left.peer, content)]);
  await right.conn.closeWrite();
  assert.equal(await received, { bytes, sha256: sha256(content) });
});

test("transfer() sends what a paused socket of node:net holds already first", {}, async () => {
  const content = data(MiB);
  using left = await connect();
  using right = await accepted();
  const received = digest(right.peer.readable);
  left.peer.write(content.subarray(0, 20_000));
  left.socket.on("readable", () => {});
  while (left.socket.readableLength < 20_000) await new Promise((resolve) => setTimeout(resolve, 5));
  left.socket.removeAllListeners("readable");
  left.peer.end(content.subarray(20_000));
  const { bytes } = await transfer(left.socket, right.conn);
  await right.conn.closeWrite();
  assert.is(bytes, content.length);
  assert.equal(await received, { bytes, sha256: sha256(content) });
});

for (const [kind, { native, open }] of Object.entries(kinds))
  test(
    `proxy() from ${kind} to an accepted one is ${native ? "splice" : "portable"}`,
    { needs: ["engine"] },
    async () => {
      const [up, down] = [data(3 * MiB + 1, 1), data(2 * MiB + 3, 2)];
      using left = await open();
      using right = await accepted();
      const reporting = proxy(left.conn, right.conn);
      const received = [digest(right.peer.readable), digest(left.peer.readable)] as const;
      await writeAll(left.peer, up);
      await writeAll(right.peer, down);
      assert.equal(await received[0], { bytes: up.length, sha256: sha256(up) });
      assert.equal(await received[1], { bytes: down.length, sha256: sha256(down) });
      const { end, aToB, bToA } = await reporting;
      assert.is(end, "ended");
      assert.is(aToB.bytes, up.length);
      assert.is(bToA.bytes, down.length);
      assert.is(aToB.strategy, native ? "splice" : "portable", aToB.reason);
    },
  );
