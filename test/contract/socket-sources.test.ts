/** CASES.md B 29 to 32: sockets as sources, and descriptors that are no byte streams at either end. */
import { createSocket } from "node:dgram";
import * as fs from "node:fs";
import { once } from "node:events";
import { join } from "node:path";
import { transfer } from "sluice";
import { assert, test } from "../support/contract.ts";
import { collect, digest, sha256 } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";
import { connect, readExactly } from "./support/connection.ts";
import { openFds } from "./support/descriptors.ts";
import { assertBytes, data, dataFile, KiB, MiB } from "./support/files.ts";
import { failure } from "./support/outcome.ts";

const sizes = [128, 4 * KiB, 64 * KiB + 1, MiB, 5 * MiB];

for (const size of sizes) {
  test(`transfer() from socket to socket relays ${size} bytes to the end (29)`, {}, async () => {
    const content = data(size);
    using left = await connect();
    using right = await connect();
    const received = digest(right.peer);
    for (let at = 0; at < size; at += 4 * KiB) left.peer.write(content.subarray(at, at + 4 * KiB));
    left.peer.end();
    const { bytes } = await transfer(left.socket, right.socket);
    right.socket.end();
    assert.is(bytes, size);
    assert.equal(await received, { bytes: size, sha256: sha256(content) });
  });

  test(`transfer() of all but the last byte of ${size} from a socket leaves that one readable (29)`, {}, async () => {
    const content = data(size);
    using left = await connect();
    using right = await connect();
    const received = digest(right.peer);
    left.peer.write(content);
    const { bytes } = await transfer(left.socket, right.socket, { length: size - 1 });
    right.socket.end();
    assert.is(bytes, size - 1);
    assert.equal(await received, { bytes: size - 1, sha256: sha256(content.subarray(0, -1)) });
    assertBytes(await readExactly(left.socket, 1), content.subarray(-1));
  });
}

test("transfer() from a socket to a file keeps every byte (29)", {}, async () => {
  const content = data(3 * MiB + 7);
  const into = join(tempFolder(), "target");
  using left = await connect();
  left.peer.end(content);
  assert.is((await transfer(left.socket, into)).bytes, content.length);
  assertBytes(fs.readFileSync(into), content);
});

test("transfer() from a socket that JavaScript has begun to read sends what it holds first (29, 79)", {}, async () => {
  const content = data(MiB);
  using left = await connect();
  using right = await connect();
  const received = collect(right.peer);
  left.peer.end(content);
  const head = await readExactly(left.socket, 1000);
  left.socket.unshift(head);
  const { bytes } = await transfer(left.socket, right.socket);
  right.socket.end();
  assert.is(bytes, content.length);
  assertBytes(await received, content);
});

test(
  "transfer() from a socket whose peer has ended resolves with 0 and the target stays writable (30)",
  {},
  async () => {
    using left = await connect();
    using right = await connect();
    const received = collect(right.peer);
    left.peer.end();
    await once(left.peer, "finish");
    assert.is((await transfer(left.socket, right.socket)).bytes, 0);
    right.socket.end("bye");
    assert.is((await received).toString(), "bye");
  },
);

test("transfer() between Unix sockets works like between TCP ones (59)", {}, async () => {
  const folder = tempFolder();
  const content = data(MiB + 3);
  using left = await connect(join(folder, "left"));
  using right = await connect(join(folder, "right"));
  const received = collect(right.peer);
  left.peer.end(content);
  assert.is((await transfer(left.socket, right.socket)).bytes, content.length);
  right.socket.end();
  assertBytes(await received, content);
});

/** Descriptors that every runtime's event loop has open, by what procfs calls them. */
for (const kind of ["anon_inode:[eventpoll]", "anon_inode:[eventfd]"]) {
  test(`transfer() refuses ${kind} at either end (32)`, { needs: ["proc"] }, async () => {
    const [fd] = [...openFds()].find(([, what]) => what === kind) ?? [];
    if (fd === undefined) throw new Error(`This process has no ${kind} open`);
    const folder = tempFolder();
    const { path } = dataFile(folder, 100);
    const into = join(folder, "target");
    for (const call of [() => transfer(fd, into), () => transfer(path, fd)])
      assert.is((await failure(call)).code, "ERR_SLUICE_UNSUPPORTED");
    assert.not.ok(fs.existsSync(into));
  });
}

test("transfer() refuses a datagram socket at either end (32)", { needs: ["engine", "proc"] }, async () => {
  const receiver = createSocket("udp4").bind(0, "127.0.0.1");
  await once(receiver, "listening");
  const datagrams: Buffer[] = [];
  receiver.on("message", (message) => datagrams.push(message));
  const before = new Set(openFds().values());
  const sender = createSocket("udp4");
  sender.connect(receiver.address().port, "127.0.0.1");
  await once(sender, "connect");
  const [fd] = [...openFds()].find(([, what]) => what.startsWith("socket:") && !before.has(what)) ?? [];
  if (fd === undefined) throw new Error("The datagram socket's descriptor was not found");

  const folder = tempFolder();
  const { path } = dataFile(folder, 200_000);
  const into = join(folder, "target");
  for (const call of [() => transfer(fd, into), () => transfer(path, fd)])
    assert.is((await failure(call)).code, "ERR_SLUICE_UNSUPPORTED");
  sender.send("last");
  await once(receiver, "message");
  assert.equal(datagrams.map(String), ["last"]);
  sender.close();
  receiver.close();
});
