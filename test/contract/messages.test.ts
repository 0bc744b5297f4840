/** transfer() to messages of node:http: responses of a server and requests of a client. */
import { once } from "node:events";
import * as fs from "node:fs";
import * as http from "node:http";
import * as net from "node:net";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { explain, type Report, transfer } from "sluice";
import { assert, test } from "../support/contract.ts";
import { collect, sha256 } from "../support/data.ts";
import { takeFdCensus } from "../support/fds.ts";
import { tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { assertBytes, data, dataFile, MiB } from "./support/files.ts";
import { failure } from "./support/outcome.ts";

/** Elsewhere a message is written to: the same bytes, by the runtime's own means. */
const isNative = process.versions["bun"] === undefined && process.versions["deno"] === undefined;

const length = 3 * MiB + 17;

function assertWay(report: Report, strategy: string): void {
  assert.is(report.strategy, isNative ? strategy : "portable", JSON.stringify(report.attempts));
}

type Handler = (request: http.IncomingMessage, response: http.ServerResponse) => unknown;

interface Server extends AsyncDisposable {
  readonly port: number;
  /** What the handlers' promises came to, in order. */
  readonly results: Promise<unknown>[];
  readonly connections: Set<net.Socket>;
}

async function serve(handler: Handler): Promise<Server> {
  const results: Promise<unknown>[] = [];
  const connections = new Set<net.Socket>();
  const server = http.createServer((request, response) => {
    const result = Promise.resolve().then(() => handler(request, response));
    result.catch(() => response.destroy());
    results.push(result);
  });
  server.on("connection", (socket) => void connections.add(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as net.AddressInfo).port,
    results,
    connections,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** Everything that comes over one connection. */
async function raw(port: number, ...requests: readonly string[]): Promise<Buffer> {
  const socket = net.connect(port, "127.0.0.1");
  const all: Buffer[] = [];
  socket.on("data", (bytes) => all.push(bytes)).on("error", () => undefined);
  const end = once(socket, "close");
  socket.write(requests.join(""));
  await end;
  return Buffer.concat(all);
}

const asking = (path: string, method = "GET", last = true): string =>
  `${method} ${path} HTTP/1.1\r\nHost: test\r\n${last ? "Connection: close\r\n" : ""}\r\n`;

async function get(port: number, path = "/", method = "GET") {
  const sent = http.request({ port, host: "127.0.0.1", agent: false, path, method }).end();
  const [response] = (await once(sent, "response")) as [http.IncomingMessage];
  return { response, body: await collect(response) };
}

/** Answers uploads with what they were. */
const receive: Handler = async (request, response) => {
  const body = await collect(request);
  const { "content-length": announced, "transfer-encoding": coding } = request.headers;
  response.end(JSON.stringify({ announced, coding, bytes: body.length, body: sha256(body) }));
};

const uploading = (port: number, headers: http.OutgoingHttpHeaders = {}) =>
  http.request({ port, host: "127.0.0.1", method: "PUT", agent: false, headers });

async function answerTo(request: http.ClientRequest): Promise<{ bytes: number; body: string; coding?: string }> {
  const [response] = (await once(request, "response")) as [http.IncomingMessage];
  return JSON.parse((await collect(response)).toString()) as { bytes: number; body: string; coding?: string };
}

for (const isAnnounced of [true, false]) {
  const framing = isAnnounced ? "with a length" : "in chunks";

  test(`a path to a response, ${framing}`, {}, async () => {
    const { path, content } = dataFile(tempFolder(), length);
    await using server = await serve(async (_request, response) => {
      if (isAnnounced) response.setHeader("content-length", length);
      const report = await transfer(path, response);
      assert.not.ok(response.writableEnded, "it was ended");
      response.end();
      return report;
    });
    const { response, body } = await get(server.port);
    assert.is(response.headers["transfer-encoding"], isAnnounced ? undefined : "chunked");
    assertBytes(body, content);
    const report = (await server.results[0]) as Report;
    assert.is(report.bytes, length);
    assertWay(report, "sendfile");
  });

  test(`a path to a client's request, ${framing}`, {}, async () => {
    const { path, content } = dataFile(tempFolder(), length);
    await using server = await serve(receive);
    const request = uploading(server.port, isAnnounced ? { "content-length": length } : {});
    const answered = answerTo(request);
    const report = await transfer(path, request);
    assert.not.ok(request.writableEnded, "it was ended");
    request.end();
    const { bytes, body, coding } = await answered;
    assert.is(bytes, length);
    assert.is(body, sha256(content));
    assert.is(coding, isAnnounced ? undefined : "chunked");
    assertWay(report, "sendfile");
  });

  test(`writes, ranges, memory and files make one body in their order, ${framing}`, {}, async () => {
    const { path, content } = dataFile(tempFolder(), length);
    const memory = data(100_000, 7);
    const parts = [
      Buffer.from("first;"),
      content.subarray(100, 100 + 2 * MiB),
      Buffer.from(";second;"),
      memory,
      content.subarray(0, 10),
      Buffer.from(";last"),
    ];
    const whole = Buffer.concat(parts);
    const write = async (message: http.OutgoingMessage) => {
      if (isAnnounced) message.setHeader("content-length", whole.length);
      message.write("first;");
      await transfer(path, message, { offset: 100, length: 2 * MiB });
      message.write(";second;");
      await transfer(memory, message);
      const fd = fs.openSync(path, "r");
      await transfer(fd, message, { length: 10 });
      fs.closeSync(fd);
      message.end(";last");
    };
    await using server = await serve((request, response) =>
      request.method === "PUT" ? receive(request, response) : write(response),
    );
    assertBytes((await get(server.port)).body, whole);
    const request = uploading(server.port);
    const answered = answerTo(request);
    await write(request);
    assert.is((await answered).body, sha256(whole));
  });

  test(`a socket to a response, ${framing}`, {}, async () => {
    const content = data(length);
    const upstream = net.createServer((socket) => socket.end(content)).listen(0, "127.0.0.1");
    await once(upstream, "listening");
    await using server = await serve(async (_request, response) => {
      if (isAnnounced) response.setHeader("content-length", length);
      const socket = net.connect((upstream.address() as net.AddressInfo).port, "127.0.0.1");
      const report = await transfer(socket, response);
      response.end();
      socket.destroy();
      return report;
    });
    assertBytes((await get(server.port)).body, content);
    assert.is(((await server.results[0]) as Report).bytes, length);
    upstream.close();
  });

  test(`a transfer that is aborted says how far it came, ${framing}`, {}, async () => {
    const { path } = dataFile(tempFolder(), 64 * MiB);
    const aborter = new AbortController();
    await using server = await serve(async (_request, response) => {
      if (isAnnounced) response.setHeader("content-length", 64 * MiB);
      response.on("error", () => undefined);
      return await transfer(path, response, { signal: aborter.signal });
    });
    const socket = net.connect(server.port, "127.0.0.1").on("error", () => undefined);
    socket.write(asking("/"));
    await once(socket, "readable");
    aborter.abort();
    const error = await failure(() => server.results[0] as Promise<Report>);
    assert.is(error.code, "ABORT_ERR");
    assert.ok(error.bytesTransferred < 64 * MiB);
    socket.destroy();
  });

  test(`a client that goes is an error that says how far it came, ${framing}`, { alone: true }, async () => {
    const { path } = dataFile(tempFolder(), 64 * MiB);
    await using server = await serve(async (_request, response) => {
      if (isAnnounced) response.setHeader("content-length", 64 * MiB);
      return await transfer(path, response);
    });
    const ask = async () => {
      const socket = net.connect(server.port, "127.0.0.1").on("error", () => undefined);
      socket.write(asking("/"));
      await once(socket, "readable");
      socket.resetAndDestroy();
      const error = await failure(() => server.results.at(-1) as Promise<Report>);
      assert.match(error.code, /^(EPIPE|ECONNRESET|ERR_SLUICE_CLOSED|ERR_STREAM_DESTROYED)$/);
      assert.ok(error.bytesTransferred < 64 * MiB);
    };
    await ask();
    const census = await takeFdCensus();
    for (let count = 0; count < 5; count++) await ask();
    await census.assertUnchanged();
  });
}

for (const isAnnounced of [true, false])
  test(
    `a file that is cut under way is never taken for the whole, ${isAnnounced ? "with a length" : "in chunks"}`,
    {},
    async () => {
      const { path } = dataFile(tempFolder(), 64 * MiB);
      await using server = await serve(async (_request, response) => {
        if (isAnnounced) response.setHeader("content-length", 64 * MiB);
        const error = await failure(() => transfer(path, response));
        response.end();
        return error;
      });
      const socket = net.connect(server.port, "127.0.0.1");
      socket.on("error", () => undefined).write(asking("/"));
      await once(socket, "readable");
      await sleep(50);
      fs.truncateSync(path, 1000);
      const text = (await collect(socket)).subarray(-5).toString("latin1");
      const error = (await server.results[0]) as { code: string; bytesTransferred: number };
      assert.is(error.code, "ERR_SLUICE_TRUNCATED");
      assert.ok(error.bytesTransferred < 64 * MiB);
      // By the runtime's own means no chunk is cut, and the application has ended the response.
      if (isNative && !isAnnounced) assert.is.not(text, "0\r\n\r\n");
    },
  );

test("what somebody else wants to see is written to the message", {}, async () => {
  const { path, content } = dataFile(tempFolder(), length);
  let seen = 0;
  await using server = await serve(async (_request, response) => {
    const { write } = response;
    response.write = ((chunk: Uint8Array, ...rest: unknown[]) => {
      seen += chunk.length;
      return Reflect.apply(write, response, [chunk, ...rest]) as boolean;
    }) as typeof write;
    const report = await transfer(path, response);
    response.end();
    return report.strategy;
  });
  assertBytes((await get(server.port)).body, content);
  assert.is(await server.results[0], "portable");
  assert.is(seen, length);
});

test("a request that expects to be told to continue, on a Unix socket", {}, async () => {
  const { path, content } = dataFile(tempFolder(), length);
  const socketPath = join(tempFolder(), "socket");
  const server = http.createServer((request, response) => void receive(request, response)).listen(socketPath);
  await once(server, "listening");
  const request = http.request({
    socketPath,
    method: "PUT",
    headers: { expect: "100-continue", "content-length": length },
  });
  request.flushHeaders();
  await once(request, "continue");
  const answered = answerTo(request);
  const report = await transfer(path, request);
  request.end();
  assert.is((await answered).body, sha256(content));
  assertWay(report, "sendfile");
  server.close();
});

test("more bytes than were promised are refused before anything is sent", {}, async () => {
  const { path } = dataFile(tempFolder(), 1001);
  await using server = await serve(async (_request, response) => {
    response.setHeader("content-length", 1000);
    const error = await failure(() => transfer(path, response));
    assert.not.ok(response.headersSent, "the head was sent");
    response.writeHead(500, { "content-length": 0 }).end();
    return error.code;
  });
  assert.is((await get(server.port)).response.statusCode, 500);
  assert.is(await server.results[0], "ERR_HTTP_CONTENT_LENGTH_MISMATCH");
});

test("a file that isn't there leaves the head to the application", {}, async () => {
  const folder = tempFolder();
  await using server = await serve(async (request, response) => {
    const error = await failure(() => transfer(join(folder, request.url ?? ""), response));
    assert.not.ok(response.headersSent, "the head was sent");
    response.writeHead(404).end();
    return error.code;
  });
  for (const path of ["/nothing", "/"]) assert.is((await get(server.port, path)).response.statusCode, 404);
  assert.equal(await Promise.all(server.results), ["ENOENT", "EISDIR"]);
});

test("a response that stays short of its promise ends its connection", {}, async () => {
  if (!isNative) return;
  const { path } = dataFile(tempFolder(), 1000);
  await using server = await serve(async (request, response) => {
    if (request.url === "/next") return response.end("NEXT");
    response.setHeader("content-length", 2000);
    const { bytes } = await transfer(path, response);
    response.end();
    return bytes;
  });
  const text = (await raw(server.port, asking("/", "GET", false), asking("/next"))).toString("latin1");
  assert.is(await server.results[0], 1000);
  assert.not.ok(text.includes("NEXT"), "the next answer was sent as the rest of this one");
});

test("a request that stays short of its promise ends its connection", {}, async () => {
  if (!isNative) return;
  const { path } = dataFile(tempFolder(), 1000);
  await using server = await serve(receive);
  const request = uploading(server.port, { "content-length": 2000 });
  const failed = once(request, "error");
  await transfer(path, request);
  request.end();
  await failed;
  const [received] = await Promise.allSettled(server.results);
  assert.is(received?.status, "rejected");
});

const withoutBody: Readonly<Record<string, (response: http.ServerResponse) => void>> = {
  HEAD: (response) => {
    response.setHeader("content-length", 1000);
  },
  204: (response) => {
    response.writeHead(204);
  },
  304: (response) => {
    response.statusCode = 304;
  },
};

for (const [name, answer] of Object.entries(withoutBody))
  test(`a response without a body takes nothing: ${name}`, {}, async () => {
    const { path } = dataFile(tempFolder(), 1000);
    await using server = await serve(async (request, response) => {
      if (request.url === "/next") return response.end("NEXT");
      answer(response);
      const { bytes } = await transfer(path, response);
      response.end();
      return bytes;
    });
    const method = name === "HEAD" ? "HEAD" : "GET";
    const text = (await raw(server.port, asking("/", method, false), asking("/next"))).toString("latin1");
    assert.is(await server.results[0], 0);
    assert.match(text, /^HTTP\/1.1 \d+ [^]*?\r\n\r\nHTTP\/1.1 200 OK\r\n[^]*NEXT/);
  });

test("a pipelined response waits for its turn", {}, async () => {
  const { path, content } = dataFile(tempFolder(), length);
  await using server = await serve(async (request, response) => {
    if (request.url === "/slow") return void setTimeout(() => response.end("slow"), 100);
    response.setHeader("content-length", length);
    const report = await transfer(path, response);
    response.end();
    return report;
  });
  const bytes = await raw(server.port, asking("/slow", "GET", false), asking("/"));
  assert.ok(bytes.indexOf("slow") > 0 && bytes.indexOf("slow") < bytes.length - length);
  assertBytes(bytes.subarray(-length), content);
  assertWay((await server.results[1]) as Report, "sendfile");
});

test("responses of one keep-alive connection, one after the other", {}, async () => {
  const { path, content } = dataFile(tempFolder(), length);
  await using server = await serve(async (_request, response) => {
    await transfer(path, response);
    response.end();
  });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  for (let count = 0; count < 5; count++) {
    const sent = http.get({ port: server.port, host: "127.0.0.1", agent });
    const [response] = (await once(sent, "response")) as [http.IncomingMessage];
    assertBytes(await collect(response), content);
  }
  assert.is(server.connections.size, 1);
  agent.destroy();
});

test("what is written to a response during a transfer comes in one piece behind it or before it", {}, async () => {
  const { path, content } = dataFile(tempFolder(), 20 * MiB);
  await using server = await serve(async (_request, response) => {
    const moving = transfer(path, response);
    response.write("at once;");
    await sleep(1);
    response.write(";between;");
    await moving;
    response.end(";end");
  });
  const { body } = await get(server.port);
  // Where it is written to by the runtime itself, others may write between two chunks.
  if (!isNative) return assert.is(body.length, content.length + "at once;;between;;end".length);
  const at = body.indexOf(content.subarray(0, 100));
  assertBytes(body.subarray(at, at + content.length), content);
  assert.match(body.subarray(0, at).toString() + body.subarray(at + content.length).toString(), /at once;.*;end$/);
});

test("progress, and a report of each way", {}, async () => {
  const { path } = dataFile(tempFolder(), length);
  await using server = await serve(async (_request, response) => {
    const seen: number[] = [];
    await transfer(path, response, { onProgress: (bytes) => seen.push(bytes) });
    response.end();
    return seen.at(-1);
  });
  await get(server.port);
  assert.is(await server.results[0], length);
});

test("explain() names the mechanism, and sends nothing", {}, async () => {
  const { path } = dataFile(tempFolder(), length);
  await using server = await serve(async (_request, response) => {
    const explanation = await explain(path, response);
    assert.not.ok(response.headersSent);
    response.end("answer");
    return explanation.candidates[0]?.strategy;
  });
  assert.is((await get(server.port)).body.toString(), "answer");
  assert.is(await server.results[0], isNative ? "sendfile" : "portable");
});

test("explain() waits for a request's connection, and not for a response's turn", {}, async () => {
  const { path } = dataFile(tempFolder(), length);
  const named = async (message: http.OutgoingMessage) => (await explain(path, message)).candidates[0]?.strategy;
  let second: string | undefined;
  await using server = await serve(async (request, response) => {
    if (request.method === "PUT") return void (await receive(request, response));
    if (request.url === "/first") await waitFor("the second to be explained", () => second !== undefined);
    else second = (await named(response)) ?? "nothing";
    response.end("answer");
  });
  await raw(server.port, asking("/first", "GET", false), asking("/second"));
  assert.is(second, isNative ? "sendfile" : "portable");
  const request = uploading(server.port);
  const answered = answerTo(request);
  assert.is(await named(request), isNative ? "sendfile" : "portable");
  request.end("body");
  assert.is((await answered).body, sha256(Buffer.from("body")));
});

test("a connection that is refused is the request's own error", {}, async () => {
  const { path } = dataFile(tempFolder(), length);
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, "close");
  const request = uploading(port);
  let told: unknown;
  request.on("error", (error) => (told = error));
  const error = await failure(() => transfer(path, request));
  assert.match(error.code, /^(ECONNREFUSED|ERR_SLUICE_CLOSED)$/);
  // What the message has taken counts, elsewhere.
  if (isNative) assert.is(error.bytesTransferred, 0);
  await waitFor("the request's error", () => told !== undefined);
});

test("a server that goes in mid-body ends the transfer", {}, async () => {
  const { path } = dataFile(tempFolder(), 64 * MiB);
  const server = net.createServer((socket) => {
    socket.on("error", () => undefined).once("data", () => void sleep(50).then(() => socket.resetAndDestroy()));
    socket.once("data", () => socket.pause());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const request = uploading((server.address() as net.AddressInfo).port, { "content-length": 64 * MiB });
  request.on("error", () => undefined);
  const error = await failure(() => transfer(path, request));
  assert.match(error.code, /^(EPIPE|ECONNRESET|ERR_SLUICE_CLOSED|ERR_STREAM_DESTROYED)$/);
  assert.ok(error.bytesTransferred < 64 * MiB);
  request.destroy();
  server.close();
});

test("a response that has ended, or whose connection has gone, is refused", {}, async () => {
  const { path } = dataFile(tempFolder(), length);
  await using server = await serve(async (_request, response) => {
    response.end("answer");
    return (await failure(() => transfer(path, response))).code;
  });
  await get(server.port);
  assert.is(await server.results[0], "ERR_STREAM_WRITE_AFTER_END");
});
