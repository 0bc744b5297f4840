/** Sockets of Bun.listen and Bun.connect as source and target. */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { proxy, type Source, tee, transfer } from "sluice";
import { connect } from "../../contract/support/connection.ts";
import { assertBytes, data, dataFile, KiB, MiB } from "../../contract/support/files.ts";
import { failure } from "../../contract/support/outcome.ts";
import { digestFrom } from "../../contract/support/pair.ts";
import { assert, test } from "../../support/contract.ts";
import { collect, digest, sha256 } from "../../support/data.ts";
import { takeFdCensus } from "../../support/fds.ts";
import { tempFolder } from "../../support/temp.ts";
import { waitFor } from "../../support/wait.ts";
import { accepted, encrypted, kinds } from "./sockets.ts";

for (const [kind, open] of Object.entries(kinds)) {
  test(`transfer() of a file to a socket of ${kind} is sendfile`, { needs: ["engine"] }, async () => {
    const { path, content } = dataFile(tempFolder(), 8 * MiB + 1);
    using link = await open();
    const received = digest(link.peer);
    const { strategy, bytes } = await transfer(path, link.socket);
    link.socket.end();
    assert.is(strategy, "sendfile");
    assert.is(bytes, content.length);
    assert.equal(await received, { bytes, sha256: sha256(content) });
  });

  test(`transfer() to a socket of ${kind} comes after what was written before`, {}, async () => {
    const { path, content } = dataFile(tempFolder(), 300 * KiB);
    using link = await open();
    const received = collect(link.peer);
    assert.is(link.socket.write("PREFIX"), 6);
    await transfer(path, link.socket);
    link.socket.end("SUFFIX");
    assertBytes(await received, Buffer.concat([Buffer.from("PREFIX"), content, Buffer.from("SUFFIX")]));
  });

  test(`transfer() from a socket of ${kind} leaves nothing to its data callback`, {}, async () => {
    const content = data(5 * MiB + 3);
    const into = join(tempFolder(), "target");
    using link = await open();
    const moved = transfer(link.socket, into);
    link.peer.end(content);
    const { bytes } = await moved;
    assert.is(bytes, content.length);
    assertBytes(fs.readFileSync(into), content);
    assert.equal(link.seen, []);
  });

  test(`transfer() of a part from a socket of ${kind} lets Bun read the rest`, {}, async () => {
    const content = data(100 * KiB);
    const into = join(tempFolder(), "target");
    using link = await open();
    const moved = transfer(link.socket, into, { length: 60 * KiB });
    link.peer.end(content);
    await moved;
    assertBytes(fs.readFileSync(into), content.subarray(0, 60 * KiB));
    await link.ended;
    assertBytes(Buffer.concat(link.seen), content.subarray(60 * KiB));
  });
}

test("transfer() relays from one Bun socket to another", {}, async () => {
  const content = data(4 * MiB);
  using left = await accepted();
  using right = await accepted();
  const received = digest(right.peer);
  const moved = transfer(left.socket, right.socket);
  left.peer.end(content);
  const { bytes } = await moved;
  right.socket.end();
  assert.equal(await received, { bytes, sha256: sha256(content) });
});

test("transfer() with a closed Bun socket is ERR_SLUICE_CLOSED, and a stranger gets no byte", {}, async () => {
  const folder = tempFolder();
  const { path } = dataFile(folder, 1000);
  using link = await accepted();
  link.socket.terminate();
  // Whoever opens something now is likely to get the number.
  const stranger = join(folder, "stranger");
  const fds = Array.from({ length: 32 }, () => fs.openSync(stranger, "a+"));
  for (const call of [() => transfer(path, link.socket), () => transfer(link.socket, join(folder, "target"))])
    assert.is((await failure(call)).code, "ERR_SLUICE_CLOSED");
  assert.is(fs.statSync(stranger).size, 0);
  assert.not.ok(fs.existsSync(join(folder, "target")));
  for (const fd of fds) fs.closeSync(fd);
});

test(
  "transfer() ends when its Bun socket is terminated under way, and leaves nothing open",
  { alone: true },
  async () => {
    const { path } = dataFile(tempFolder(), 32 * MiB);
    const stall = async () => {
      using link = await accepted();
      let moved = 0;
      const failed = failure(() => transfer(path, link.socket, { onProgress: (bytes) => void (moved = bytes) }));
      await waitFor("it to be on its way", () => moved > 0);
      link.socket.terminate();
      const { code, bytesTransferred } = await failed;
      assert.match(code, /^(ERR_SLUICE_CLOSED|EPIPE|ECONNRESET)$/);
      assert.ok(bytesTransferred > 0 && bytesTransferred < 32 * MiB);
    };
    await stall();
    const census = await takeFdCensus();
    for (let i = 0; i < 5; i++) await stall();
    await census.assertUnchanged();
  },
);

test("transfer() ends when the peer of a Bun socket goes away, and the process lives", {}, async () => {
  const { path } = dataFile(tempFolder(), 32 * MiB);
  using link = await accepted();
  const failed = failure(() => transfer(path, link.socket));
  setTimeout(() => link.peer.resetAndDestroy(), 50);
  assert.match((await failed).code, /^(ERR_SLUICE_CLOSED|EPIPE|ECONNRESET)$/);
});

test("transfer() sends what a paused socket of node:net holds already first", {}, async () => {
  const content = data(MiB);
  using left = await connect();
  using right = await accepted();
  const received = digest(right.peer);
  left.peer.write(content.subarray(0, 20_000));
  left.socket.on("readable", () => {});
  while (left.socket.readableLength < 20_000) await new Promise((resolve) => setTimeout(resolve, 5));
  left.socket.removeAllListeners("readable");
  left.peer.end(content.subarray(20_000));
  const { bytes } = await transfer(left.socket, right.socket);
  right.socket.end();
  assert.is(bytes, content.length);
  assert.equal(await received, { bytes, sha256: sha256(content) });
});

/** A key and a certificate for nobody. */
function identity(): [key: string, cert: string] {
  const folder = tempFolder();
  const [key, cert] = [join(folder, "key"), join(folder, "cert")];
  const subject = ["-nodes", "-subj", "/CN=localhost", "-days", "1"];
  execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", ...subject, "-keyout", key, "-out", cert], {
    stdio: "pipe",
  });
  return [fs.readFileSync(key, "utf8"), fs.readFileSync(cert, "utf8")];
}

test("transfer() to an encrypted Bun socket is portable and arrives decrypted", {}, async () => {
  const { path, content } = dataFile(tempFolder(), MiB + 1);
  using link = await encrypted(...identity());
  const received = digest(link.peer);
  const { strategy, bytes } = await transfer(path, link.socket);
  link.socket.end();
  assert.is(strategy, "portable");
  assert.equal(await received, { bytes, sha256: sha256(content) });
});

test("transfer() from an encrypted Bun socket is refused: only its data callback can decrypt", {}, async () => {
  const into = join(tempFolder(), "target");
  using link = await encrypted(...identity());
  link.peer.write("secret");
  assert.is((await failure(() => transfer(link.socket, into))).code, "ERR_SLUICE_UNSUPPORTED");
  assert.not.ok(fs.existsSync(into));
});

test("proxy() of Bun's own sockets, of one and of one of node:net", { needs: ["engine"] }, async () => {
  const [up, down] = [data(3 * MiB + 1, 1), data(5 * MiB + 3, 2)];
  for (const [kind, open] of Object.entries(kinds)) {
    using left = await open();
    using right = kind === "Bun.listen" ? await connect() : await accepted();
    const reporting = proxy(left.socket, right.socket);
    const received = [digestFrom(right.peer), digestFrom(left.peer)] as const;
    left.peer.end(up);
    assert.equal(await received[0], { bytes: up.length, sha256: sha256(up) });
    right.peer.end(down);
    assert.equal(await received[1], { bytes: down.length, sha256: sha256(down) });
    const { end, aToB, bToA } = await reporting;
    assert.is(end, "ended");
    assert.is(aToB.bytes, up.length);
    assert.is(bToA.bytes, down.length);
    assert.is(aToB.strategy, "splice", aToB.reason);
    assert.is(left.seen.length, 0);
  }
});

for (const [kind, open] of Object.entries(kinds)) {
  test(`a reset is no end of a socket of ${kind}, at whatever moment it comes`, { needs: ["engine"] }, async () => {
    const folder = tempFolder();
    const ways = [
      (socket: Source) => transfer(socket, join(folder, "target")),
      (socket: Source) => transfer(socket, join(folder, "target"), { strategy: "buffered" }),
      (socket: Source) => tee(socket, [join(folder, "one"), join(folder, "other")]),
    ];
    for (let round = 0; round < 60; round++) {
      using link = await open();
      link.peer.on("error", () => undefined);
      link.peer.write(data(round % 2 === 0 ? 300 * KiB : 20));
      const failing = failure(async () => await ways[round % ways.length]?.(link.socket));
      await new Promise((resolve) => setTimeout(resolve, round % 5));
      link.peer.resetAndDestroy();
      assert.ok(["ECONNRESET", "ERR_SLUICE_CLOSED"].includes((await failing).code), `round ${round}`);
    }
  });

  test(
    `a reset of the peer of a socket of ${kind} is passed on by proxy(), and no byte of the middle is lost`,
    {},
    async () => {
      for (let round = 0; round < 40; round++) {
        using left = await open();
        using right = await connect();
        left.peer.on("error", () => undefined);
        right.peer.on("error", () => undefined);
        const content = data(300 * KiB);
        const received: Buffer[] = [];
        const seen = new Promise<string>((resolve) => {
          right.peer.on("data", (chunk: Buffer) => received.push(chunk)).on("end", () => resolve("end"));
          right.peer.on("error", ({ code }: NodeJS.ErrnoException) => resolve(code ?? "")).resume();
        });
        left.peer.write(content);
        const failing = failure(() => proxy(left.socket, right.socket));
        await new Promise((resolve) => setTimeout(resolve, round % 5));
        left.peer.resetAndDestroy();
        const error = await failing;
        assert.is(error.proxy?.failed, "a", error.stack);
        assert.ok(["ECONNRESET", "EPIPE"].includes(await seen), `round ${round}: ${await seen}`);
        const arrived = Buffer.concat(received);
        assertBytes(arrived, content.subarray(0, arrived.length));
      }
    },
  );

  test(`proxy() of a socket of ${kind} that was reset before says so`, {}, async () => {
    using left = await open();
    using right = await connect();
    right.peer.on("error", () => undefined);
    left.peer.resetAndDestroy();
    await waitFor("Bun to close it", () => left.socket.readyState < 1);
    const error = await failure(() => proxy(right.socket, left.socket));
    assert.ok(["ECONNRESET", "ERR_SLUICE_CLOSED"].includes(error.code), error.stack);
    assert.is(error.proxy?.failed, "b");
  });
}
