/** `sluice/register` under http-proxy: its WebSocket path is two sockets that are piped to each other. */
import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { WebSocket, WebSocketServer } from "ws";
import { assertBytes, data, KiB, MiB } from "../contract/support/files.ts";
import { tempFolder } from "../support/temp.ts";
import { settles } from "../support/wait.ts";
import type { App } from "./support/app.ts";
import { both, hasEngine, startPair } from "./support/compare.ts";

const options = { perMessageDeflate: false, maxPayload: 64 * MiB };
const upstream = new WebSocketServer({ ...options, port: 0, host: "127.0.0.1" });
await once(upstream, "listening");
upstream.on("connection", (socket) => {
  socket.on("error", () => {
    // The client has gone; that is what some tests are about.
  });
  socket.on("message", (message, isBinary) => socket.send(message as Buffer, { binary: isBinary }));
});

const { port } = upstream.address() as AddressInfo;
const pair = await startPair({
  script: "websockets",
  args: [tempFolder(), String(port)],
  // http-proxy calls util._extend, of which Node says so from 24 on. Any other word of an app's is still a failure.
  execArgv: ["--disable-warning=DEP0060"],
});
const test = suite("WebSockets through http-proxy");

async function open(app: App, name: string): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${app.port}/?case=${name}`, options);
  socket.on("error", () => {
    // See above.
  });
  await once(socket, "open");
  return socket;
}

async function echo(socket: WebSocket, message: Buffer | string): Promise<void> {
  socket.send(message);
  const [answer, isBinary] = (await once(socket, "message")) as [Buffer, boolean];
  assert.is(isBinary, typeof message !== "string");
  assertBytes(answer, Buffer.from(message));
}

const closes = (entries: readonly { readonly event: string }[]) =>
  entries.filter(({ event }) => event.endsWith("close")).length;

test("messages of all sizes come through, and sockets tell the same of themselves", async () => {
  const logs = await both(pair, async (app) => {
    const socket = await open(app, "sizes");
    for (const size of [1, 125, 126, 65_535, 65_536, MiB, 20 * MiB, 3, 300 * KiB]) await echo(socket, data(size, size));
    await echo(socket, "text");
    socket.close(1000, "bye");
    const [code, reason] = (await once(socket, "close")) as [number, Buffer];
    await settles(async () => closes((await app.log("sizes")).entries) === 2);
    const { entries } = await app.log("sizes");
    return { code, reason: String(reason), events: entries.map(({ event, state }) => [event, state]) };
  });
  const sorted = ({ events }: typeof logs.on) => events.map((event) => JSON.stringify(event)).sort();
  assert.is(logs.on.code, 1000);
  assert.is(logs.on.reason, "bye");
  assert.equal(sorted(logs.on), sorted(logs.off));
  const natives = (await pair.on.published()).filter(({ native, bytes }) => native && bytes > 20 * MiB);
  assert.is(natives.length, hasEngine ? 2 : 0);
});

test("many at once, each with its own messages", async () => {
  await Promise.all(
    Array.from({ length: 20 }, async (_, i) => {
      const socket = await open(pair.on, "many");
      for (let round = 0; round < 5; round++) await echo(socket, data(i % 2 === 0 ? 100 : 256 * KiB, i + round));
      socket.close();
      await once(socket, "close");
    }),
  );
});

test("clients and backends that break off at any moment leave nothing behind", async () => {
  const sockets = async () =>
    ((await pair.on.ask("descriptors")) as string[]).filter((each) => each === "socket").length;
  // The engine's own are there once it has had something to do.
  const first = await open(pair.on, "first");
  await echo(first, data(MiB));
  first.close();
  await once(first, "close");
  await settles(async () => closes((await pair.on.log("first")).entries) === 2);
  const before = await sockets();
  for (let round = 0; round < 5; round++) {
    const clients = await Promise.all(Array.from({ length: 4 }, () => open(pair.on, `broken-${round}`)));
    const seen = Promise.all(clients.map((socket) => once(socket, "close")));
    for (const [i, socket] of clients.entries()) socket.send(data(2 * MiB, i));
    await sleep(round * 6);
    // One by a reset, one by its end, one from the other side, one in good order.
    const [reset, gone, left, proper] = clients as [WebSocket, WebSocket, WebSocket, WebSocket];
    (reset as unknown as { readonly _socket: Socket })._socket.resetAndDestroy();
    gone.terminate();
    proper.close();
    if (round % 2 === 0) for (const each of upstream.clients) each.terminate();
    else left.terminate();
    await seen;
    const socket = await open(pair.on, "after");
    await echo(socket, data(100 * KiB, round));
    socket.close();
    await once(socket, "close");
  }
  await settles(async () => (await sockets()) === before);
  assert.is(await sockets(), before);
});

test.after(async () => {
  await pair[Symbol.asyncDispose]();
  for (const each of upstream.clients) each.terminate();
  upstream.close();
});

test.run();
