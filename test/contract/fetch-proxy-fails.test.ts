/** What proxyPass() does when the upstream isn't there, takes too long, or has closed a kept connection. */
import { once } from "node:events";
import * as http from "node:http";
import * as net from "node:net";
import { join } from "node:path";
import { proxyPass, type ProxyPassOptions } from "sluice/fetch";
import { assert, test } from "../support/contract.ts";
import { tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { connectTo, request, stallAfterFirst } from "./support/fetch.ts";
import { aWhile } from "./support/outcome.ts";
import { echo, front, httpUpstream, rawUpstream } from "./support/upstreams.ts";

interface Told {
  readonly name: string;
  readonly code: string;
  readonly message: string;
}

/** An address at which nobody listens. */
async function nobody(): Promise<string> {
  await using upstream = await httpUpstream(echo);
  return upstream.url;
}

test("proxyPass() answers 502 where nobody listens, and tells why", {}, async () => {
  const cases: readonly (readonly [string, ProxyPassOptions, string])[] = [
    [await nobody(), {}, "ECONNREFUSED"],
    ["http://app.test", { unix: join(tempFolder(), "none") }, "ENOENT"],
    ["http://nobody.invalid", {}, ""],
  ];
  for (const [to, options, code] of cases) {
    await using proxy = await front(to, options);
    const { status, body } = await request(proxy, "/");
    assert.is(status, 502);
    assert.is(body.length, 0);
    assert.is(proxy.errors.length, 1);
    const [error] = proxy.errors as Told[];
    assert.is(error?.name, "TransferError");
    if (code !== "") assert.is(error?.code, code);
    assert.match(error?.message ?? "", /^Cannot pass request on to /);
  }
});

test("onError of proxyPass() may give the answer, and what it throws is the handler's", {}, async () => {
  const to = await nobody();
  await using proxy = await front(to, {
    onError: (_, { url }) => new Response(new URL(url).pathname, { status: 503 }),
  });
  const answer = await request(proxy, "/a");
  assert.is(answer.status, 503);
  assert.is(answer.body.toString(), "/a");
  await using other = await front(to, {
    onError: () => {
      throw new Error("On purpose");
    },
  });
  assert.is((await request(other, "/a")).status, 500);
  assert.is((other.errors[0] as Error).message, "On purpose");
});

test("an upload that an upstream cuts off is answered by 502, and the client's connection goes on", {}, async () => {
  await using upstream = await rawUpstream((socket) => socket.destroy());
  await using proxy = await front(upstream);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  for (const body of [Buffer.alloc(100_000), undefined])
    assert.is((await request(proxy, "/", { method: "PUT", agent }, body)).status, 502);
  agent.destroy();
  assert.is(proxy.errors.length, 2);
});

/** A listener whose queue is full: connections to it come about some time, or never. */
async function stalling(): Promise<AsyncDisposable & { url: string }> {
  const server = net.createServer();
  server.listen({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  return {
    url: `https://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.close();
    },
  };
}

test("proxyPass() answers 504 for a connection, TLS included, that takes too long", {}, async () => {
  await using upstream = await stalling();
  await using proxy = await front(upstream.url, { connectTimeoutMs: 100 });
  assert.is((await request(proxy, "/")).status, 504);
  const [error] = proxy.errors as Told[];
  assert.is(error?.code, "ETIMEDOUT");
  assert.match(error?.message ?? "", "no connection for 100 ms");
});

test("proxyPass() answers 504 for a head that takes too long, and ends that connection", {}, async () => {
  await using upstream = await httpUpstream(() => undefined);
  for (const method of ["GET", "POST"]) {
    await using proxy = await front(upstream, { headersTimeoutMs: 100 });
    assert.is((await request(proxy, "/", { method }, method === "POST" ? Buffer.from("x") : undefined)).status, 504);
    const [error] = proxy.errors as Told[];
    assert.is(error?.code, "ETIMEDOUT");
    assert.match(error?.message ?? "", "no head");
    await waitFor("the end of the upstream's connection", () => upstream.open() === 0);
  }
});

test("an answer that stands still for too long breaks the client's connection", {}, async () => {
  await using upstream = await rawUpstream((socket) => {
    socket.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
  });
  await using proxy = await front(upstream, { idleTimeoutMs: 100 });
  const client = await connectTo(proxy);
  client.on("error", () => undefined).write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  client.resume();
  await once(client, "close");
  await waitFor("the end of the upstream's connection", () => upstream.open() === 0);
  const [error] = proxy.errors as Told[];
  assert.is(error?.code, "ETIMEDOUT");
  assert.match(error?.message ?? "", "nothing moved");
});

test("a head may take longer than a body may stand still", {}, async () => {
  await using upstream = await httpUpstream((message, response) => {
    message.resume();
    setTimeout(() => response.end("late"), 500);
  });
  await using proxy = await front(upstream, { idleTimeoutMs: 100 });
  for (const method of ["GET", "POST"]) {
    const body = method === "POST" ? Buffer.from("x") : undefined;
    assert.is((await request(proxy, "/", { method }, body)).body.toString(), "late");
  }
});

test("a client that takes its time doesn't make the upstream idle", {}, async () => {
  await using upstream = await httpUpstream((_, response) => void response.end(Buffer.alloc(32 * 1024 * 1024)));
  await using proxy = await front(upstream, { idleTimeoutMs: 100 });
  const client = await connectTo(proxy);
  client.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const first = await stallAfterFirst(client);
  for (let i = 0; i < 4; i++) await aWhile();
  let received = first.length;
  client.on("data", (chunk: Buffer) => (received += chunk.length)).resume();
  await once(client, "close");
  assert.ok(received > 32 * 1024 * 1024, `${received} bytes`);
  assert.equal(proxy.errors, []);
});

test("a client that sends nothing more of its body is told so by 408", {}, async () => {
  await using upstream = await httpUpstream((message) => void message.on("error", () => undefined).resume());
  await using proxy = await front(upstream, { idleTimeoutMs: 100 });
  const client = await connectTo(proxy);
  client.on("error", () => undefined).write("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  assert.match((await stallAfterFirst(client)).toString("latin1"), /^HTTP\/1\.1 408 /);
  await waitFor("the end of the upstream's connection", () => upstream.open() === 0);
  client.destroy();
});

/** An upstream that answers once on each connection, and closes it when it is asked again: a kept one that has just gone. */
const forgetful = async (seen: string[]) =>
  rawUpstream((socket, head) => {
    seen.push(head.split(" ")[0] ?? "");
    if (answered.has(socket)) return void socket.destroy();
    answered.add(socket);
    socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  });
const answered = new WeakSet<net.Socket>();

test("a request that may be repeated is, where a kept connection has been closed", {}, async () => {
  for (const [method, body, status] of [
    ["GET", undefined, 200],
    ["HEAD", undefined, 200],
    ["DELETE", undefined, 200],
    ["POST", undefined, 502],
    ["PUT", Buffer.from("x"), 502],
  ] as const) {
    const seen: string[] = [];
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    await using upstream = await forgetful(seen);
    await using proxy = await front(upstream, { agent });
    assert.is((await request(proxy, "/")).status, 200);
    // What has been answered gives its connection back a little later.
    await waitFor("the connection", () => Object.keys(agent.freeSockets).length === 1);
    assert.is((await request(proxy, "/", { method }, body)).status, status, `${method}: ${seen.join()}`);
    assert.equal(seen, status === 200 ? ["GET", method, method] : ["GET", method]);
    agent.destroy();
  }
});

test("a request that fails on a new connection isn't repeated", {}, async () => {
  await using upstream = await rawUpstream((socket) => socket.destroy());
  await using proxy = await front(upstream);
  assert.is((await request(proxy, "/")).status, 502);
  assert.is(upstream.accepted(), 1);
});

test("connections to the upstream are shared by all who pass to it, and don't outlive its interest", {}, async () => {
  await using upstream = await httpUpstream(echo);
  await using one = await front(upstream);
  await using other = await front(upstream);
  for (const proxy of [one, other, one]) {
    assert.is((await request(proxy, "/")).status, 200);
    await aWhile();
  }
  const answer = await proxyPass(new Request("http://site.test/"), upstream.url);
  await answer.text();
  assert.is(upstream.accepted(), 1);
  await waitFor("the end of the kept connection", () => upstream.open() === 0);
});
