/** A socket's idle time-out sees what goes past JavaScript in either direction. */
import { once } from "node:events";
import * as http from "node:http";
import * as net from "node:net";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { createReadStream, pipe, report } from "sluice/stream";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { connect } from "../contract/support/connection.ts";
import { data, dataFile, MiB } from "../contract/support/files.ts";
import { take } from "../contract/support/streams.ts";
import { digest } from "../support/data.ts";
import { steadily } from "../support/steady.ts";
import { tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

const test = suite("streams and idle time-outs");
const { path } = dataFile(tempFolder(), 64 * MiB);

/** A test that fails where its sockets stand still for their time-out of 1 s. */
const steady = (name: string, body: () => Promise<void>) => test(name, () => steadily(300, body));

/** Reads 2 MiB at a time, which lets the writer advance each time, for longer than the time-out of 1 s. */
async function readSlowly(peer: Readable, steps = 10, intervalMs = 200): Promise<void> {
  for (let step = 0; step < steps; step++) {
    await take(peer, 2 * MiB);
    await sleep(intervalMs);
  }
}

for (const when of ["before", "during"]) {
  steady(
    `setTimeout() ${when} a hand-over does not fire while it makes progress, and fires when it stops`,
    async () => {
      using link = await connect();
      const { socket, peer } = link;
      let timeouts = 0;
      socket.on("timeout", () => timeouts++);
      if (when === "before") socket.setTimeout(1000);
      const source = createReadStream(path);
      pipe(source, socket);
      await take(peer, 1);
      if (when === "during") socket.setTimeout(1000);
      await readSlowly(peer);
      assert.is(timeouts, 0);
      await once(socket, "timeout");
      source.destroy();
    },
  );
}

/** A server whose answer to every request is the file, with these headers. */
async function serve(headers: http.OutgoingHttpHeaders): Promise<{ server: http.Server; peer: net.Socket }> {
  const server = http.createServer((_request, response) => {
    response.writeHead(200, headers);
    pipe(createReadStream(path), response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  const peer = net.connect(port, "127.0.0.1");
  peer.write("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
  return { server, peer };
}

for (const [name, headers] of [
  ["with Content-Length", { "content-length": 64 * MiB }],
  ["in chunks", {}],
] as const) {
  steady(`server.timeout does not end a slow download ${name}`, async () => {
    const { server, peer } = await serve(headers);
    server.setTimeout(1000);
    let timeouts = 0;
    server.on("timeout", () => timeouts++);
    // Past the first chunks, and slowly through the ones after those.
    await take(peer, 12 * MiB);
    // A chunk of 8 MiB takes longer than the time-out.
    await readSlowly(peer, 12, 450);
    assert.is(timeouts, 0);
    peer.destroy();
    server.closeAllConnections();
    server.close();
  });
}

steady("a time-out of a proxied socket stays away while one of its two directions makes progress", async () => {
  using left = await connect();
  using right = await connect();
  const content = data(64 * MiB);
  pipe(left.socket, right.socket);
  pipe(right.socket, left.socket);
  let timeouts = 0;
  for (const { socket } of [left, right]) socket.setTimeout(1000, () => timeouts++);
  // One direction moves first and stands still then, the other goes on slowly.
  left.peer.write(content);
  await take(right.peer, 8 * MiB);
  right.peer.write(content);
  await readSlowly(left.peer, 12);
  assert.is(timeouts, 0);
  assert.ok(report(left.socket) === undefined || report(right.socket) === undefined, "neither was taken over");
});

steady("a time-out of a proxied socket stays away when the other direction is over", async () => {
  using left = await connect();
  using right = await connect();
  const content = data(64 * MiB);
  pipe(left.socket, right.socket, { end: false });
  pipe(right.socket, left.socket, { end: false });
  let timeouts = 0;
  for (const { socket } of [left, right]) socket.setTimeout(1000, () => timeouts++);
  right.peer.write(content);
  await take(left.peer, 4 * MiB);
  left.peer.end(content.subarray(0, 8 * MiB));
  const rest = digest(right.peer).catch(() => undefined);
  await readSlowly(left.peer, 10);
  assert.is(timeouts, 0);
  right.socket.destroy();
  await rest;
});

test("bytesRead and bytesWritten of sockets advance during a hand-over", async () => {
  using left = await connect();
  using right = await connect();
  pipe(left.socket, right.socket);
  left.peer.write(data(32 * MiB));
  await take(right.peer, 16 * MiB);
  await waitFor("bytesRead to advance", () => left.socket.bytesRead >= 16 * MiB);
  await waitFor("bytesWritten to advance", () => right.socket.bytesWritten >= 16 * MiB);
  left.socket.destroy();
});

test.run();
