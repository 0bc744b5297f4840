/** transfer() from messages of node:http: requests of a server and responses of a client. */
import { once } from "node:events";
import * as fs from "node:fs";
import * as http from "node:http";
import * as net from "node:net";
import { join } from "node:path";
import process from "node:process";
import { explain, type Report, transfer, type TransferError } from "sluice";
import { serve as serveFetch } from "sluice/fetch";
import { assert, test } from "../support/contract.ts";
import { collect } from "../support/data.ts";
import { openDescriptors } from "../support/fds.ts";
import { tempFolder } from "../support/temp.ts";
import { assertBytes, data, MiB } from "./support/files.ts";
import { failure } from "./support/outcome.ts";

/** Elsewhere a message is read as a stream: the same bytes, by the runtime's own means. */
const isNative = process.versions["bun"] === undefined && process.versions["deno"] === undefined;

const length = 3 * MiB + 17;

function assertWay(report: Report, strategy = "splice"): void {
  assert.is(report.strategy, isNative ? strategy : "portable", JSON.stringify(report.attempts));
}

async function serve(handler: (request: http.IncomingMessage, response: http.ServerResponse) => Promise<void>) {
  const server = http.createServer((request, response) => {
    handler(request, response).catch(() => response.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as net.AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function answer(request: http.ClientRequest): Promise<Buffer> {
  const [response] = (await once(request, "response")) as [http.IncomingMessage];
  return collect(response);
}

const sending = (port: number, body: Uint8Array, agent: http.Agent | false = false) =>
  http
    .request({ port, host: "127.0.0.1", method: "PUT", agent, headers: { "content-length": body.byteLength } })
    .end(body);

test("requests' bodies to a path, one after another on one connection", {}, async () => {
  const path = join(tempFolder(), "target");
  const reports: Report[] = [];
  let ends = 0;
  await using server = await serve(async (request, response) => {
    request.on("end", () => (ends += 1));
    reports.push(await transfer(request, path, { atomic: true }));
    response.end("stored");
  });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  for (let turn = 0; turn < 3; turn++) {
    const content = data(length, turn + 1);
    const request = sending(server.port, content, agent);
    assert.is((await answer(request)).toString(), "stored");
    assert.is(request.reusedSocket, turn > 0);
    assertBytes(fs.readFileSync(path), content);
  }
  agent.destroy();
  for (const report of reports) {
    assert.is(report.bytes, length);
    assertWay(report);
  }
  assert.is(ends, 3);
});

test("a request's body is explained, and left as it is", {}, async () => {
  const path = join(tempFolder(), "target");
  const content = data(length);
  const ways: (string | undefined)[] = [];
  await using server = await serve(async (request, response) => {
    const { candidates } = await explain(request, path, { atomic: true });
    ways.push(...candidates.map(({ strategy }) => strategy));
    assertWay(await transfer(request, path, { atomic: true }));
    response.end("stored");
  });
  assert.is((await answer(sending(server.port, content))).toString(), "stored");
  assert.is(ways.includes("splice"), isNative);
  assertBytes(fs.readFileSync(path), content);
});

test("small bodies are read as streams", {}, async () => {
  const path = join(tempFolder(), "target");
  const content = data(10_000);
  await using server = await serve(async (request, response) => {
    const { strategy } = await transfer(request, path, { atomic: true });
    response.end(strategy);
  });
  assert.is((await answer(sending(server.port, content))).toString(), "portable");
  assertBytes(fs.readFileSync(path), content);
});

/** Two uploads and a question in one write, each with a body of its own. */
async function pipeline(port: number, bodies: readonly Buffer[]): Promise<string> {
  const heads = bodies.map((body) => `PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n`);
  const last = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  const client = net.connect(port, "127.0.0.1");
  client.write(Buffer.concat([...bodies.flatMap((body, i) => [Buffer.from(heads[i] ?? ""), body]), Buffer.from(last)]));
  return (await collect(client)).toString("latin1");
}

test("what is pipelined behind a body is no part of it, and a descriptor is a target", {}, async () => {
  const folder = tempFolder();
  const bodies = [data(length, 21), data(length + 5, 22)];
  let stored = 0;
  await using server = await serve(async (request, response) => {
    if (request.method === "GET") return void response.end("the last");
    const fd = fs.openSync(join(folder, `${(stored += 1)}`), "w");
    try {
      assertWay(await transfer(request, fd));
    } finally {
      fs.closeSync(fd);
    }
    response.end("stored");
  });
  const answers = await pipeline(server.port, bodies);
  assert.is(answers.match(/HTTP\/1\.1 200 /g)?.length, 3, answers);
  assert.match(answers, "the last");
  for (const [i, body] of bodies.entries()) assertBytes(fs.readFileSync(join(folder, `${i + 1}`)), body);
});

test("an abort midway tells how far it came, and closes what it opened", { needs: ["proc"] }, async () => {
  const path = join(tempFolder(), "target");
  const content = data(length, 23);
  let tell = (_error: TransferError) => {};
  const failed = new Promise<TransferError>((resolve) => (tell = resolve));
  await using server = await serve(async (request, response) => {
    const abort = new AbortController();
    const onProgress = (bytes: number) => void (bytes >= MiB && abort.abort());
    tell(await failure(() => transfer(request, path, { signal: abort.signal, onProgress })));
    response.destroy();
  });
  const headers = { "content-length": length };
  const client = http.request({ port: server.port, host: "127.0.0.1", method: "PUT", agent: false, headers });
  client.on("error", () => undefined).write(content.subarray(0, 2 * MiB));
  const error = await failed;
  assert.is(error.code, "ABORT_ERR");
  assert.ok(error.bytesTransferred >= MiB && error.bytesTransferred <= 2 * MiB, `${error.bytesTransferred} bytes`);
  assertBytes(fs.readFileSync(path), content.subarray(0, error.bytesTransferred));
  client.destroy();
  assert.equal(
    openDescriptors().filter((name) => name.includes(path)),
    [],
  );
});

test("a client that breaks off leaves nothing, and an error that says how far it came", {}, async () => {
  const folder = tempFolder();
  const path = join(folder, "target");
  let tell = (_error: TransferError) => {};
  const failed = new Promise<TransferError>((resolve) => (tell = resolve));
  await using server = await serve(async (request) => {
    request.on("error", () => undefined);
    let moved = () => {};
    const hasMoved = new Promise<void>((resolve) => (moved = resolve));
    const moving = failure(() =>
      transfer(request, path, { atomic: true, onProgress: (bytes) => void (bytes >= MiB && moved()) }),
    );
    await hasMoved;
    client.destroy();
    tell(await moving);
  });
  const headers = { "content-length": length };
  const client = http.request({ port: server.port, host: "127.0.0.1", method: "PUT", agent: false, headers });
  client.on("error", () => undefined).write(data(2 * MiB));
  const error = await failed;
  assert.is(error.code, "ECONNRESET");
  assert.ok(error.bytesTransferred >= MiB && error.bytesTransferred <= 2 * MiB, String(error.bytesTransferred));
  assert.equal(fs.readdirSync(folder), []);
});

for (const isAnnounced of [true, false])
  test(`a response to a response, ${isAnnounced ? "with a length" : "in chunks"}`, {}, async () => {
    const content = data(length);
    const reports: Report[] = [];
    const connections = new Set<unknown>();
    await using upstream = await serve(async (request, response) => {
      connections.add(request.socket);
      response.setHeader("content-length", length);
      response.end(content);
    });
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    await using server = await serve(async (_request, response) => {
      const request = http.get({ port: upstream.port, host: "127.0.0.1", agent });
      const [source] = (await once(request, "response")) as [http.IncomingMessage];
      if (isAnnounced) response.setHeader("content-length", length);
      reports.push(await transfer(source, response));
      response.end();
    });
    for (let turn = 0; turn < 2; turn++)
      assertBytes(await answer(http.get({ port: server.port, host: "127.0.0.1", agent: false })), content);
    agent.destroy();
    for (const report of reports) assertWay(report);
    assert.is(connections.size, 1, "the connection was not used again");
  });

test("a request's body to a client's request", {}, async () => {
  const content = data(length);
  let report: Report | undefined;
  await using upstream = await serve(async (request, response) => void response.end(await collect(request)));
  await using server = await serve(async (request, response) => {
    const headers = { "content-length": length };
    const onward = http.request({ port: upstream.port, host: "127.0.0.1", method: "PUT", agent: false, headers });
    const answered = answer(onward);
    report = await transfer(request, onward);
    onward.end();
    response.end(await answered);
  });
  assertBytes(await answer(sending(server.port, content)), content);
  assert.ok(report);
  assertWay(report as Report);
});

test("the body of serve()'s requests to a path", {}, async () => {
  const path = join(tempFolder(), "target");
  const content = data(length);
  const reports: Report[] = [];
  await using server = await serveFetch({
    host: "127.0.0.1",
    async fetch({ body }) {
      reports.push(await transfer(body ?? new Uint8Array(), path, { atomic: true }));
      return new Response("stored");
    },
  });
  assert.is((await answer(sending(server.port, content))).toString(), "stored");
  assertBytes(fs.readFileSync(path), content);
  for (const report of reports) assertWay(report);
  assert.is(reports.length, 1);
});
