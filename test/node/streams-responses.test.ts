/** Responses that the app goes on with while a stream is on its way to them. */
import { once } from "node:events";
import type * as fs from "node:fs";
import * as http from "node:http";
import * as net from "node:net";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { dataFile, MiB } from "../contract/support/files.ts";
import { assertAlike, assertTaken, closed, take, type Way, ways } from "../contract/support/streams.ts";
import { collect, sha256 } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";

const test = suite("responses under way");
const folder = tempFolder();
const { path, content } = dataFile(folder, 20 * MiB);
const small = dataFile(folder, 1000);

type Handle = (way: Way, response: http.ServerResponse) => void;

/** One request to a server with this handler, by node:http, so that the framing is checked; the body, or what broke. */
async function ask(way: Way, handle: Handle): Promise<{ body?: string; bytes: number; failed?: string }> {
  const server = http.createServer((_request, response) => handle(way, response)).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  const sent = http.get({ port, host: "127.0.0.1", agent: false });
  // What breaks after the head is told of by the response as well.
  const broken = new Promise<never>((_, reject) => sent.on("error", reject));
  try {
    const [response] = (await Promise.race([once(sent, "response"), broken])) as [http.IncomingMessage];
    await sleep(100);
    const body = await Promise.race([collect(response), broken]);
    return { bytes: body.length, body: sha256(body) };
  } catch (error) {
    return { bytes: -1, failed: String(error) };
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

test("res.write() during a chunked hand-over keeps the framing", async () => {
  await assertAlike(async (way) => {
    const { bytes, failed } = await ask(way, (_, response) => {
      const source = way.createReadStream(path);
      way.pipe(source, response, { end: false });
      setTimeout(() => response.write("<between>"), 30);
      source.on("end", () => response.end("<end>"));
    });
    assert.is(failed, undefined);
    return bytes;
  });
});

test("res.end() during a chunked hand-over keeps the framing", async () => {
  for (const way of [1, 2, 3])
    await assertAlike(async (each) => {
      const { failed } = await ask(each, (_, response) => {
        const source = each.createReadStream(path);
        response.on("error", () => undefined);
        each.pipe(source, response);
        setTimeout(() => response.end(), way * 10);
      });
      return failed;
    });
});

test("res.write() before a stream is sent before it", async () => {
  await assertAlike((way) =>
    ask(way, (_, response) => {
      response.write("before;");
      way.pipe(way.createReadStream(small.path), response);
    }),
  );
});

// Node 26 keeps what is written in chunks in the message itself, until the next tick.
const early: Readonly<Record<string, (response: http.ServerResponse, source: fs.ReadStream) => void>> = {
  "before it is piped": (response) => {
    response.write("before;");
  },
  "as the file is opened": (response, source) => {
    source.once("open", () => response.write("before;"));
  },
  "as it is read": (response, source) => {
    source.once("open", () => process.nextTick(() => response.write("before;")));
  },
};
for (const [when, write] of Object.entries(early))
  for (const each of [small, dataFile(folder, 100 * 1024), dataFile(folder, 3 * MiB)])
    for (const isAnnounced of [true, false])
      for (const isFlushed of [true, false])
        test(`what is written ${when} comes before ${each.content.length} bytes ${isAnnounced ? "with a length" : "in chunks"}${isFlushed ? ", the head sent" : ""}`, async () => {
          const { body } = await assertAlike((way) =>
            ask(way, async (_, response) => {
              if (isAnnounced) response.setHeader("content-length", each.content.length + "before;".length);
              if (isFlushed) {
                response.flushHeaders();
                await sleep(10);
              }
              const source = way.createReadStream(each.path);
              write(response, source);
              way.pipe(source, response);
            }),
          );
          assert.is(body, sha256(Buffer.concat([Buffer.from("before;"), each.content])));
        });

test("a corked response keeps the order of a write and a stream", async () => {
  await assertAlike((way) =>
    ask(way, (_, response) => {
      response.cork();
      response.write("before;");
      const source = way.createReadStream(small.path);
      way.pipe(source, response, { end: false });
      // Before the end: Node 22 sends what end() uncorks behind its last chunk.
      source.on("close", () => response.uncork());
      source.on("close", () => response.end());
    }),
  );
});

test("several streams in turn make one chunked body", async () => {
  await assertAlike((way) =>
    ask(way, async (_, response) => {
      for (const each of [small.path, path, small.path]) {
        const source = way.createReadStream(each);
        way.pipe(source, response, { end: false });
        await closed(source);
        response.write(";");
      }
      response.end("end");
    }),
  );
});

for (const [name, headers] of [
  ["with Content-Length", { "content-length": 1000 }],
  ["in chunks", {}],
] as const) {
  test(`socket.bytesWritten of a small response ${name} counts its head`, async () => {
    await assertAlike(async (way) => {
      let written = -1;
      await ask(way, (_, response) => {
        response.sendDate = false;
        const { socket } = response;
        response.writeHead(200, headers);
        response.on("finish", () => (written = socket?.bytesWritten ?? -1));
        way.pipe(way.createReadStream(small.path), response);
      });
      return written;
    });
  });
}

/** Stops a chunked body whose client stands still, ends the response and has the client read on. */
async function stopMidway(act: (source: fs.ReadStream, response: http.ServerResponse) => void) {
  const facts = { sentBefore: 0, body: 0, bytesRead: -1, tail: "" };
  const server = http.createServer((_request, response) => {
    const source = ways.sluice.createReadStream(path);
    ways.sluice.pipe(source, response);
    void (async () => {
      const { socket } = response;
      for (let sent = -1; sent !== socket?.bytesWritten; await sleep(100)) sent = socket?.bytesWritten ?? 0;
      facts.sentBefore = socket?.bytesWritten ?? 0;
      act(source, response);
      // Where it is not to be closed, it has only to have let go.
      if (source.destroyed) await closed(source);
      else await once(source, "data");
      facts.bytesRead = source.bytesRead;
      response.end("TAIL");
    })();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  const sent = http.get({ port, host: "127.0.0.1", agent: false });
  const [response] = (await once(sent, "response")) as [http.IncomingMessage];
  while (facts.bytesRead < 0) await sleep(10);
  const body = await collect(response);
  facts.body = body.length - 4;
  facts.tail = body.subarray(-4).toString();
  assert.ok(body.subarray(0, -4).equals(content.subarray(0, facts.body)));
  server.close();
  return facts;
}

test("destroy() in a chunk: at most a MiB more than a stalled client had taken, and 'close' with the right count", async () => {
  const { sentBefore, body, bytesRead, tail } = await stopMidway((source) => source.destroy());
  assert.is(tail, "TAIL");
  assert.is(bytesRead, body);
  assert.ok(body <= sentBefore + MiB, `${body} bytes came where ${sentBefore} had been sent`);
});

test("unpipe() in a chunk hands the rest back at once, at the exact byte", async () => {
  const rest: Buffer[] = [];
  const { sentBefore, body, tail } = await stopMidway((source, response) => {
    source.unpipe(response);
    source.on("data", (chunk) => rest.push(Buffer.from(chunk))).resume();
  });
  assert.is(tail, "TAIL");
  assert.ok(body <= sentBefore + MiB, `${body} bytes came where ${sentBefore} had been sent`);
  const [first = Buffer.alloc(0)] = rest;
  assert.ok(first.length > 0 && first.equals(content.subarray(body, body + first.length)), "the rest begins elsewhere");
});

test("an error that writeHead() throws is the app's uncaught exception, once", async () => {
  await assertAlike(async (way) => {
    const uncaught: string[] = [];
    const note = (error: unknown) => void uncaught.push(String(error));
    process.on("uncaughtException", note);
    process.on("unhandledRejection", note);
    const server = http.createServer((_request, response) => {
      response.writeHead = () => {
        throw new Error("no head");
      };
      way.pipe(way.createReadStream(small.path), response);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const peer = net.connect((server.address() as net.AddressInfo).port, "127.0.0.1");
    peer.write("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    await sleep(200);
    peer.destroy();
    server.closeAllConnections();
    server.close();
    process.off("uncaughtException", note);
    process.off("unhandledRejection", note);
    return uncaught;
  });
});

test("a pipelined response that is destroyed before its turn lets its stream go", async () => {
  await assertAlike(async (way) => {
    const responses: http.ServerResponse[] = [];
    const server = http.createServer((_request, response) => void responses.push(response)).listen(0, "127.0.0.1");
    await once(server, "listening");
    const peer = net.connect((server.address() as net.AddressInfo).port, "127.0.0.1");
    peer.write("GET /1 HTTP/1.1\r\nHost: test\r\n\r\nGET /2 HTTP/1.1\r\nHost: test\r\n\r\n");
    while (responses.length < 2) await sleep(5);
    const [first, second] = responses;
    if (first === undefined || second === undefined) throw new Error("two were asked for");
    const source = way.createReadStream(path);
    way.pipe(source, second);
    await sleep(30);
    second.destroy();
    await sleep(30);
    first.end("first");
    await sleep(30);
    peer.destroy();
    source.destroy();
    await closed(source);
    server.closeAllConnections();
    server.close();
    return { first: first.writableFinished, second: second.writableFinished, bytes: source.bytesRead > content.length };
  });
});

test("1000 small requests on one connection leave no listener behind", async () => {
  await assertAlike(async (way) => {
    const sockets = new Set<net.Socket>();
    const server = http.createServer((_request, response) => {
      if (response.socket) sockets.add(response.socket);
      const source = way.createReadStream(small.path);
      source.on("close", () => assertTaken(way, source, 1000));
      way.pipe(source, response);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as net.AddressInfo;
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    for (let count = 0; count < 1000; count++) {
      const sent = http.get({ port, host: "127.0.0.1", agent });
      const [response] = (await once(sent, "response")) as [http.IncomingMessage];
      assert.is((await collect(response)).length, 1000);
    }
    await sleep(20);
    const [socket, ...others] = sockets;
    if (socket === undefined) throw new Error("there was no connection");
    const listeners = Object.fromEntries(socket.eventNames().map((name) => [String(name), socket.listenerCount(name)]));
    agent.destroy();
    server.closeAllConnections();
    server.close();
    return { listeners, others: others.length };
  });
});

test("100 stopped large requests on one connection leave no listener behind", async () => {
  await assertAlike(async (way) => {
    const server = http.createServer((_request, response) => {
      const source = way.createReadStream(path, { end: MiB - 1 });
      way.pipe(source, response);
      source.once("open", () => setImmediate(() => source.pause().resume()));
    });
    const sockets = new Set<net.Socket>();
    server.on("connection", (socket) => sockets.add(socket)).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as net.AddressInfo;
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    for (let count = 0; count < 100; count++) {
      const sent = http.get({ port, host: "127.0.0.1", agent });
      const [response] = (await once(sent, "response")) as [http.IncomingMessage];
      assert.is((await collect(response)).length, MiB);
    }
    await sleep(20);
    const [socket] = sockets;
    if (socket === undefined) throw new Error("there was no connection");
    const listeners = Object.fromEntries(socket.eventNames().map((name) => [String(name), socket.listenerCount(name)]));
    agent.destroy();
    server.closeAllConnections();
    server.close();
    return listeners;
  });
});

test("the peer of a hand-over that waits is read on", async () => {
  await assertAlike(async (way) => {
    const server = http.createServer((_request, response) => {
      const source = way.createReadStream(path);
      way.pipe(source, response);
      response.on("close", () => source.destroy());
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const peer = net.connect((server.address() as net.AddressInfo).port, "127.0.0.1");
    peer.write("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    await take(peer, 1000);
    const connections = () => new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count)));
    assert.is(await connections(), 1);
    peer.destroy();
    for (let tries = 0; tries < 400 && (await connections()) > 0; tries++) await sleep(5);
    const left = await connections();
    server.close();
    return left;
  });
});

test.run();
