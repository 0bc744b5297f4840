import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { collect, digestFile, randomBytes, sha256 } from "../support/data.ts";
import { unmet } from "../support/needs.ts";
import { skipLine } from "../support/protocol.ts";
import { tempFile, tempFolder } from "../support/temp.ts";
import { streamOf, urgentPeer, withoutMarks } from "../support/urgent-peer.ts";
import { waitFor } from "../support/wait.ts";
import { cli, parseJson, startCli, startReceiver } from "./cli.ts";

const large = randomBytes(64 * 2 ** 20);
const small = randomBytes(100_000);

interface Listening {
  readonly server: Server;
  readonly port: number;
  /** The first connection. Nothing reads from it yet. */
  readonly accepted: Promise<Socket>;
}

async function listen(host = "127.0.0.1"): Promise<Listening> {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true });
  const accepted = once(server, "connection").then(([socket]) => socket as Socket);
  server.listen(0, host);
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("it has no port");
  return { server, port: address.port, accepted };
}

/** Reads to the sender's end, then ends too. */
async function readAll(socket: Socket): Promise<Buffer> {
  const bytes = await collect(socket);
  socket.end();
  return bytes;
}

test("send and receive bring 64 MiB over whole", async () => {
  const to = join(tempFolder(), "received");
  const receiver = await startReceiver(to, "--json");
  const sent = await cli(["send", tempFile(large), `127.0.0.1:${receiver.port}`, "--json"]);
  const received = await receiver.ended;
  assert.is(sent.code, 0, sent.stderr);
  assert.is(received.code, 0, received.stderr);
  assert.is(parseJson(sent)["bytes"], large.length);
  assert.is(parseJson(received)["bytes"], large.length);
  assert.equal(await digestFile(to), { bytes: large.length, sha256: sha256(large) });
});

const noCompiler = await unmet(["compiler"]);
const urgent = "receive takes what is behind urgent data";
if (noCompiler !== undefined) {
  test.skip(urgent);
  console.log(skipLine(urgent, noCompiler));
} else {
  test(urgent, async () => {
    const to = join(tempFolder(), "received");
    const receiver = await startReceiver(to);
    using peer = urgentPeer(receiver.port, "-!-f");
    const { code, stderr } = await receiver.ended;
    assert.is(code, 0, stderr);
    assert.is(await peer.ended, 0);
    assert.ok(withoutMarks(readFileSync(to)).equals(streamOf("-!-")));
  });
}

test("receive goes on where nobody reads what it says", async () => {
  const to = join(tempFolder(), "received");
  const receiver = await startReceiver(to);
  receiver.child.stderr?.destroy();
  const sent = await cli(["send", tempFile(small), `127.0.0.1:${receiver.port}`]);
  assert.is((await receiver.ended).code, 0);
  assert.is(sent.code, 0, sent.stderr);
  assert.is(sha256(readFileSync(to)), sha256(small));
});

test("send --offset --length sends that range", async () => {
  const { server, port, accepted } = await listen();
  const running = startCli(["send", tempFile(small), `localhost:${port}`, "--offset", "1K", "--length", "5000"]);
  const bytes = await readAll(await accepted);
  server.close();
  assert.is((await running.ended).code, 0);
  assert.is(sha256(bytes), sha256(small.subarray(1024, 6024)));
});

test("send takes an IPv6 address in brackets", async () => {
  const { server, port, accepted } = await listen("::1");
  const running = startCli(["send", tempFile(small), `[::1]:${port}`]);
  const bytes = await readAll(await accepted);
  server.close();
  assert.is((await running.ended).code, 0);
  assert.is(sha256(bytes), sha256(small));
});

test("send takes standard input", async () => {
  const { server, port, accepted } = await listen();
  const running = startCli(["send", "-", `127.0.0.1:${port}`], { input: small });
  const bytes = await readAll(await accepted);
  server.close();
  assert.is((await running.ended).code, 0);
  assert.is(sha256(bytes), sha256(small));
});

test("send --strategy uses that mechanism", async () => {
  const { server, port, accepted } = await listen();
  const running = startCli(["send", tempFile(small), `127.0.0.1:${port}`, "--strategy", "portable", "--json"]);
  const bytes = await readAll(await accepted);
  server.close();
  assert.is(parseJson(await running.ended)["strategy"], "portable");
  assert.is(sha256(bytes), sha256(small));
});

test("send of a missing file connects to nobody and exits 1", async () => {
  const end = await cli(["send", "nothing", "127.0.0.1:9"], { cwd: tempFolder() });
  assert.is(end.stderr, "sluice: Cannot send nothing to 127.0.0.1:9: no such file or directory (ENOENT, nothing)\n");
  assert.is(end.code, 1);
});

test("send to a closed port tells so in one line and exits 1", async () => {
  const { server, port } = await listen();
  server.close();
  await once(server, "close");
  const end = await cli(["send", tempFile(small), `127.0.0.1:${port}`]);
  assert.match(end.stderr, /^sluice: Cannot send [^\n]*ECONNREFUSED[^\n]*\n$/);
  assert.is(end.code, 1);
});

test("send to a reader that resets exits 1", async () => {
  const { server, port, accepted } = await listen();
  const running = startCli(["send", tempFile(large), `127.0.0.1:${port}`, "--json"]);
  (await accepted).resetAndDestroy();
  server.close();
  const end = await running.ended;
  assert.match(end.stderr, /^sluice: Cannot send [^\n]+\n$/);
  const { code } = parseJson(end)["error"] as Readonly<Record<string, unknown>>;
  assert.ok(["ECONNRESET", "EPIPE"].includes(String(code)), String(code));
  assert.is(end.code, 1);
});

for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)
  test(`send to a stalled reader ends at ${signal} with what was moved, exit ${code}`, async () => {
    const { server, port, accepted } = await listen();
    const running = startCli(["send", tempFile(large), `127.0.0.1:${port}`, "--json"]);
    const socket = await accepted;
    await once(socket, "readable");
    running.child.kill(signal);
    const end = await running.ended;
    assert.is(end.code, code, end.stderr);
    const moved = Number(/^sluice: Interrupted by \w+ after [^\n]*\((\d+) bytes\)\n$/.exec(end.stderr)?.[1]);
    assert.ok(moved > 0 && moved < large.length, `${moved} bytes: ${end.stderr}`);
    const error = parseJson(end)["error"] as Readonly<Record<string, unknown>>;
    assert.is(error["bytesTransferred"], moved);
    assert.is(error["code"], "ABORT_ERR");
    socket.destroy();
    server.close();
  });

/** Bytes of the file that a process writes, which has no name yet: by the descriptor, since procfs shows those. */
function unnamedBytes(pid: number | undefined, folder: string): number {
  const fds = `/proc/${pid}/fd`;
  const [found] = readdirSync(fds).filter((fd) => readlinkSync(join(fds, fd)).startsWith(`${folder}/`));
  return found === undefined ? 0 : statSync(join(fds, found)).size;
}

test("receive takes a send that was interrupted for no whole file", async () => {
  const folder = tempFolder();
  const receiver = await startReceiver(join(folder, "received"));
  const sender = startCli(["send", "-", `127.0.0.1:${receiver.port}`], { input: small, keepInputOpen: true });
  await waitFor("the bytes to arrive", () => unnamedBytes(receiver.child.pid, folder) === small.length);
  assert.equal(readdirSync(folder), [], "not even a temporary is seen");
  sender.child.kill("SIGINT");
  assert.is((await sender.ended).code, 130);
  const end = await receiver.ended;
  assert.is(end.code, 1, end.stderr);
  assert.equal(readdirSync(folder), []);
});

test("receive leaves no file when the sender aborts", async () => {
  const folder = tempFolder();
  const receiver = await startReceiver(join(folder, "received"));
  const socket = connect(receiver.port, "127.0.0.1");
  await new Promise((resolve) => socket.write(small, resolve));
  socket.resetAndDestroy();
  const end = await receiver.ended;
  assert.is(end.code, 1);
  assert.match(end.stderr, /\nsluice: Cannot receive [^\n]+\n$/);
  assert.equal(readdirSync(folder), []);
});

test("receive leaves the old file as it was when the sender aborts", async () => {
  const to = tempFile("old");
  const receiver = await startReceiver(to);
  const socket = connect(receiver.port, "127.0.0.1");
  await new Promise((resolve) => socket.write(small, resolve));
  socket.resetAndDestroy();
  assert.is((await receiver.ended).code, 1);
  assert.is(readFileSync(to, "utf8"), "old");
});

test("receive replaces the old file when the sender ends", async () => {
  const folder = tempFolder();
  writeFileSync(join(folder, "received"), "old");
  const receiver = await startReceiver(join(folder, "received"));
  const socket = connect(receiver.port, "127.0.0.1");
  socket.end(small);
  const end = await receiver.ended;
  assert.is(end.code, 0, end.stderr);
  assert.is(sha256(readFileSync(join(folder, "received"))), sha256(small));
  assert.equal(readdirSync(folder), ["received"]);
});

test("receive --expect refuses another length", async () => {
  const folder = tempFolder();
  const receiver = await startReceiver(join(folder, "received"), "--expect", "100001");
  const socket = connect(receiver.port, "127.0.0.1");
  // The receiver resets the connection to tell the sender.
  socket.on("error", () => undefined).end(small);
  const end = await receiver.ended;
  assert.is(end.code, 1);
  assert.match(end.stderr, "expected 100001 bytes, the connection ended after 100000");
  assert.equal(readdirSync(folder), []);
});

test("receive to standard output writes the bytes alone", async () => {
  const receiver = await startReceiver("-");
  connect(receiver.port, "127.0.0.1").end(small);
  const end = await receiver.ended;
  assert.is(end.code, 0, end.stderr);
  assert.is(sha256(end.stdout), sha256(small));
});

test("receive ends at SIGINT while it waits, exit 130, without a file", async () => {
  const folder = tempFolder();
  const receiver = await startReceiver(join(folder, "received"));
  receiver.child.kill("SIGINT");
  const end = await receiver.ended;
  assert.is(end.code, 130);
  assert.match(end.stderr, "Interrupted by SIGINT after 0 bytes");
  assert.equal(readdirSync(folder), []);
});

test("receive ends at SIGINT in the middle, exit 130, without a file", async () => {
  const folder = tempFolder();
  const receiver = await startReceiver(join(folder, "received"));
  const socket = connect(receiver.port, "127.0.0.1");
  socket.on("error", () => undefined);
  // More than the buffers of a connection hold: once it is written, the receiver has taken some.
  await new Promise((resolve) => socket.write(large, resolve));
  receiver.child.kill("SIGINT");
  const end = await receiver.ended;
  socket.destroy();
  assert.is(end.code, 130, end.stderr);
  assert.not.match(end.stderr, "after 0 bytes");
  assert.equal(readdirSync(folder), []);
});

test("receive --resume goes on where a killed sender stopped, and the whole is the sender's", async () => {
  const folder = tempFolder();
  const to = join(folder, "received");
  const from = tempFile(large);
  const part = `${to}.part`;
  const first = await startReceiver(to, "--resume", "--expect", String(large.length));
  // What the sender reads is held back midway, so that it is killed with bytes in flight, wherever it is.
  const sender = startCli(["send", "-", `127.0.0.1:${first.port}`], {
    input: large.subarray(0, 10_000_001),
    keepInputOpen: true,
  });
  await waitFor("some bytes to arrive", () => existsSync(part) && statSync(part).size > 1_000_000);
  sender.child.kill("SIGKILL");
  await sender.ended;
  const broken = await first.ended;
  assert.is(broken.code, 1, broken.stderr);
  const come = Number(/sluice send --offset (\d+)/.exec(broken.stderr)?.[1]);
  assert.is(statSync(part).size, come);
  assert.ok(come > 0 && come <= 10_000_001, broken.stderr);
  assert.is(sha256(readFileSync(part)), sha256(large.subarray(0, come)));
  assert.equal(readdirSync(folder), ["received.part"]);

  const second = await startReceiver(to, "--resume", "--json", "--expect", String(large.length));
  assert.match(second.stderr(), `Going on at byte ${come}`);
  const rest = await cli(["send", from, `127.0.0.1:${second.port}`, "--offset", String(come)]);
  assert.is(rest.code, 0, rest.stderr);
  const done = await second.ended;
  assert.is(done.code, 0, done.stderr);
  assert.equal([parseJson(done)["bytes"], parseJson(done)["resumedAt"]], [large.length - come, come]);
  assert.equal(await digestFile(to), { bytes: large.length, sha256: sha256(large) });
  assert.equal(readdirSync(folder), ["received"]);
});

test("receive --resume lets no second receiver at the same file", async () => {
  const folder = tempFolder();
  const to = join(folder, "received");
  const first = await startReceiver(to, "--resume");
  const second = await cli(["receive", "0", to, "--host", "127.0.0.1", "--resume"]);
  assert.is(second.code, 1);
  assert.match(second.stderr, "another receiver is writing it");
  connect(first.port, "127.0.0.1").end(small);
  assert.is((await first.ended).code, 0);
  assert.is(sha256(readFileSync(to)), sha256(small));
});

test("receive keeps the mode of the file that it replaces", async () => {
  const to = tempFile("old");
  chmodSync(to, 0o640);
  for (const options of [[], ["--resume"]]) {
    const receiver = await startReceiver(to, ...options);
    connect(receiver.port, "127.0.0.1").end(small);
    assert.is((await receiver.ended).code, 0);
    assert.is(statSync(to).mode & 0o7777, 0o640);
  }
});

const notRoot = await unmet(["root"]);
if (notRoot !== undefined) console.log(skipLine("receive and another user's file", notRoot));
const asRoot = notRoot === undefined ? test : test.skip;

asRoot(
  "receive leaves a file that it replaces to its owner, with its set-id bits, whatever the length of its name",
  async () => {
    const to = join(tempFolder(), "n".repeat(255));
    for (const options of [[], ["--resume"]]) {
      writeFileSync(to, "old");
      chownSync(to, 65_534, 65_534);
      chmodSync(to, 0o6755);
      const receiver = await startReceiver(to, ...options);
      connect(receiver.port, "127.0.0.1").end(small);
      assert.is((await receiver.ended).code, 0);
      const { mode, uid, gid } = statSync(to);
      assert.equal([(mode & 0o7777).toString(8), uid, gid], ["6755", 65_534, 65_534]);
      assert.is(sha256(readFileSync(to)), sha256(small));
      assert.equal(readdirSync(join(to, "..")), ["n".repeat(255)]);
    }
  },
);

test("receive on a port that is taken exits 1", async () => {
  const { server, port } = await listen();
  const end = await cli(["receive", String(port), join(tempFolder(), "file"), "--host", "127.0.0.1"]);
  server.close();
  assert.match(end.stderr, /^sluice: Cannot receive [^\n]*EADDRINUSE[^\n]*\n$/);
  assert.is(end.code, 1);
});

test.run();
