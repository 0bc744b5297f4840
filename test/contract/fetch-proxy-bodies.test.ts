/** Bodies through proxyPass(): whole in both directions, or broken off in both. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as http from "node:http";
import type * as net from "node:net";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { proxyPass, serve } from "sluice/fetch";
import { stats } from "sluice/stream";
import { assert, test } from "../support/contract.ts";
import { collect } from "../support/data.ts";
import { takeFdCensusWithoutPipes } from "../support/fds.ts";
import { tempFolder } from "../support/temp.ts";
import { settles, waitFor } from "../support/wait.ts";
import { connectTo, exchange, request, stallAfterFirst } from "./support/fetch.ts";
import { assertBytes, data, dataFile, MiB } from "./support/files.ts";
import { rejection } from "./support/outcome.ts";
import { echo, echoed, type Front, front, httpUpstream, rawUpstream, type Upstream } from "./support/upstreams.ts";

const run = promisify(execFile);
const curl = (...args: readonly string[]) =>
  run("curl", ["--silent", "--show-error", "--fail", "--max-time", "60", ...args], {
    maxBuffer: 128 * MiB,
    encoding: "buffer",
  });

/** Keeps what it is sent by PUT, and gives it back by GET. */
async function store(): Promise<Upstream & { readonly content: () => Buffer }> {
  let content: Buffer = Buffer.alloc(0);
  const upstream = await httpUpstream((message, response) => {
    if (message.method === "GET") return void response.end(content);
    void collect(message).then((bytes) => {
      content = bytes;
      response.statusCode = 201;
      response.end();
    });
  });
  return { ...upstream, content: () => content };
}

for (const framing of ["with a length", "in chunks"])
  test(`proxyPass() carries 64 MiB ${framing} in both directions, byte for byte`, { timeoutMs: 60_000 }, async () => {
    const folder = tempFolder();
    const { path, content } = dataFile(folder, 64 * MiB);
    await using upstream = await store();
    await using proxy = await front(upstream);
    const url = `http://127.0.0.1:${proxy.port}/x`;
    const chunked = framing === "in chunks" ? ["--header", "Transfer-Encoding: chunked"] : [];
    await curl("--upload-file", path, ...chunked, url);
    assertBytes(upstream.content(), content);
    const copy = join(folder, "copy");
    await curl("--output", copy, url);
    assertBytes(fs.readFileSync(copy), content);
    assert.equal(proxy.errors, []);
  });

/** Bytes that a mechanism of the kernel's has moved for streams of this process. */
const pastRuntime = (): number =>
  stats().streams.reduce((sum, { way, bytes }) => (way === "portable" ? sum : sum + bytes), 0);

const isNode = process.versions["bun"] === undefined && process.versions["deno"] === undefined;

test(
  "proxyPass() moves most of a body of 3 MiB past JavaScript on Node, in both directions",
  { alone: true },
  async () => {
    const folder = tempFolder();
    const { path, content } = dataFile(folder, 3 * MiB);
    await using upstream = await store();
    await using proxy = await front(upstream);
    const url = `http://127.0.0.1:${proxy.port}/x`;
    const moved: boolean[] = [];
    for (const args of [
      ["--upload-file", path],
      ["--output", join(folder, "copy")],
    ]) {
      // A process goes the runtime's way until what it relies on has been tried.
      let past = 0;
      for (let round = 0; round < (isNode ? 50 : 1) && past < 2 * MiB; round++) {
        const before = pastRuntime();
        await curl(...args, url);
        past = pastRuntime() - before;
      }
      moved.push(past >= 2 * MiB);
    }
    assertBytes(upstream.content(), content);
    assertBytes(fs.readFileSync(join(folder, "copy")), content);
    assert.equal(moved, [isNode, isNode], JSON.stringify(stats().streams));
  },
);

test(
  "proxyPass() serves 1,000 requests on connections that are kept, and leaves nothing open",
  { alone: true, timeoutMs: 60_000 },
  async () => {
    await using upstream = await httpUpstream(echo);
    const rounds = async (count: number) => {
      const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
      const kept = new http.Agent({ keepAlive: true, maxSockets: 4 });
      await using proxy = await front(upstream, { agent: kept });
      const ask = async (i: number) => {
        const method = i % 2 === 0 ? "GET" : "POST";
        const body = method === "GET" ? undefined : Buffer.from(String(i));
        const told = echoed((await request(proxy, `/${i}`, { agent, method }, body)).body);
        assert.is(told.url, `/${i}`);
        assert.is(told.body, method === "GET" ? "" : String(i));
      };
      const lane = async (first: number) => {
        for (let i = first; i < count; i += 4) await ask(i);
      };
      await Promise.all([0, 1, 2, 3].map(lane));
      assert.equal(proxy.errors, []);
      agent.destroy();
      kept.destroy();
    };
    await rounds(8);
    const census = await takeFdCensusWithoutPipes();
    const before = upstream.accepted();
    await rounds(1000);
    assert.ok(upstream.accepted() - before <= 4, `${upstream.accepted() - before} connections`);
    await census.assertUnchanged();
  },
);

test("proxyPass() carries a body that it is given by a handler, and one that a handler has wrapped", {}, async () => {
  const content = data(300_000);
  await using upstream = await store();
  await using server = await serve({
    host: "127.0.0.1",
    fetch: async (asked) => {
      const through = asked.body?.pipeThrough(new TransformStream<Uint8Array, Uint8Array>()) ?? null;
      const withBody = { method: asked.method, headers: asked.headers, body: through, duplex: "half" } as const;
      const answer = await proxyPass(asked.method === "GET" ? asked : new Request(asked.url, withBody), upstream.url);
      return new Response(answer.body?.pipeThrough(new TransformStream<Uint8Array, Uint8Array>()) ?? null, answer);
    },
  });
  assert.is((await request(server, "/", { method: "PUT" }, content)).status, 201);
  assertBytes(upstream.content(), content);
  const { body, headers } = await request(server, "/");
  assert.is(headers["content-length"], String(content.length));
  assertBytes(body, content);
});

test("proxyPass() answers any server's Requests, by ordinary streams", {}, async () => {
  const content = data(300_000);
  await using upstream = await store();
  const put = new Request("http://site.test/x", { method: "PUT", body: content });
  assert.is((await proxyPass(put, upstream.url)).status, 201);
  assertBytes(upstream.content(), content);
  const answer = await proxyPass(new Request("http://site.test/x"), upstream.url);
  assert.is(answer.headers.get("content-length"), String(content.length));
  assertBytes(Buffer.from(await answer.arrayBuffer()), content);
});

test("a body of another length than its Request says is nobody's whole body", {}, async () => {
  for (const length of [5, 20]) {
    let isWhole = false;
    await using upstream = await httpUpstream((message) => {
      message.on("error", () => undefined);
      message.once("end", () => (isWhole = true));
    });
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(Buffer.from("0123456789"));
        controller.close();
      },
    });
    const init = { method: "PUT", headers: { "content-length": String(length) }, body, duplex: "half" } as const;
    let error: unknown;
    await proxyPass(new Request("http://site.test/", init), upstream.url).catch((reason: unknown) => (error = reason));
    assert.instance(error, RangeError);
    assert.ok(await settles(() => upstream.open() === 0));
    assert.not.ok(isWhole);
  }
});

test("a body that has been read can't be passed on", {}, async () => {
  await using upstream = await httpUpstream(echo);
  const asked = new Request("http://site.test/", { method: "PUT", body: "abc" });
  await asked.text();
  const error = await rejection(() => proxyPass(asked, upstream.url));
  assert.is(error.code, "ERR_INVALID_STATE");
  assert.is(upstream.accepted(), 0);
});

/** A large upload that an upstream takes the beginning of. */
async function uploading(proxy: Front): Promise<net.Socket> {
  const socket = await connectTo(proxy);
  socket.on("error", () => undefined);
  socket.write(`PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: ${64 * MiB}\r\n\r\n`);
  socket.write(data(MiB));
  return socket;
}

for (const how of ["ends its side", "resets"])
  test(
    `a client that ${how} within its body ends the request to the upstream, which takes no part for all`,
    {},
    async () => {
      let begun = 0;
      let whole = 0;
      await using upstream = await httpUpstream((message) => {
        begun++;
        message
          .on("error", () => undefined)
          .once("end", () => whole++)
          .resume();
      });
      await using proxy = await front(upstream);
      for (const chunked of [false, true]) {
        const socket = chunked ? await connectTo(proxy) : await uploading(proxy);
        socket.on("error", () => undefined);
        if (chunked) socket.write("PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
        const expected = begun + 1;
        await waitFor("the upstream", () => begun === expected);
        if (how === "resets") socket.resetAndDestroy();
        else socket.end();
        await waitFor("the end of the upstream's connection", () => upstream.open() === 0);
      }
      assert.is(whole, 0);
      assert.equal(proxy.errors, []);
    },
  );

test("a client that goes before the answer, or within it, ends the request to the upstream", {}, async () => {
  let begun = 0;
  await using upstream = await httpUpstream((message, response) => {
    begun++;
    if (message.url === "/large") response.end(Buffer.alloc(64 * MiB));
    if (message.url === "/slow") response.write("beginning");
  });
  await using proxy = await front(upstream);
  for (const path of ["/never", "/slow", "/large"])
    for (const reset of [true, false]) {
      const expected = begun + 1;
      const socket = await connectTo(proxy);
      socket.on("error", () => undefined);
      socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
      await waitFor("the upstream", () => begun === expected);
      if (path !== "/never") await stallAfterFirst(socket);
      if (reset) socket.resetAndDestroy();
      else socket.destroy();
      await waitFor(`the end of the upstream's connection (${path})`, () => upstream.open() === 0);
    }
  assert.equal(proxy.errors, []);
});

/** What breaks off within a body. */
const broken: Readonly<Record<string, string>> = {
  "a length": "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
  chunks: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1869f\r\n",
};

for (const [what, head] of Object.entries(broken))
  for (const how of ["ends", "resets"] as const)
    test(`an upstream that ${how} within a body with ${what} breaks the client's connection`, {}, async () => {
      await using upstream = await rawUpstream((socket) => {
        socket.write(head + "x".repeat(50_000), () => {
          if (how === "ends") socket.end();
          else setTimeout(() => socket.resetAndDestroy(), 50);
        });
      });
      await using proxy = await front(upstream);
      const client = await connectTo(proxy);
      client.on("error", () => undefined).write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
      let text = "";
      client.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
      await once(client, "close");
      assert.match(text, /^HTTP\/1\.1 200 /);
      assert.not.match(text, /\r\n0\r\n\r\n$/);
      const received = text.slice(text.indexOf("\r\n\r\n") + 4).replace(/[^x]/g, "").length;
      assert.ok(received < 100_000);
      assert.ok(await settles(() => proxy.errors.length === 1));
      const [error] = proxy.errors as { readonly name: string; readonly code: string }[];
      assert.is(error?.name, "TransferError");
      assert.is(error?.code, "ECONNRESET");
    });

test("a client of HTTP/1.0 takes no part of a body for all", {}, async () => {
  await using upstream = await rawUpstream((socket, text) => {
    socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    setTimeout(() => socket.end(text.startsWith("GET /whole ") ? "0\r\n\r\n" : ""), 50);
  });
  const transformed = async (answer: Response | Promise<Response>) => {
    const { body, headers } = await answer;
    return new Response(body?.pipeThrough(new TransformStream<Uint8Array, Uint8Array>()) ?? null, { headers });
  };
  await using direct = await front(upstream);
  await using other = await front(upstream, {}, (pass) => (asked) => transformed(pass(asked)));
  for (const proxy of [direct, other])
    for (const path of ["/whole", "/part"]) {
      const client = await connectTo(proxy);
      let failed: NodeJS.ErrnoException | undefined;
      let text = "";
      client.on("error", (error) => (failed = error)).on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
      client.write(`GET ${path} HTTP/1.0\r\n\r\n`);
      await new Promise((resolve) => client.once("close", resolve));
      assert.match(text, /\r\n\r\nhello$/);
      assert.is(failed?.code, path === "/part" ? "ECONNRESET" : undefined);
    }
});

test("a body of no bytes leaves the connection as it was, on both sides", {}, async () => {
  await using upstream = await httpUpstream(echo);
  await using proxy = await front(upstream);
  const put = "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
  const text = await exchange(proxy, put + put + put.replace("Host: x", "Host: x\r\nConnection: close"));
  assert.is(text.split("HTTP/1.1 200 OK").length, 4);
});

test(
  "an answer that comes before the request's body has its way, and the client's connection goes on",
  {},
  async () => {
    // It reads on, and discards: what ends the connection is that its answer is over.
    await using upstream = await rawUpstream((socket) => {
      socket.removeAllListeners("data").resume();
      socket.write("HTTP/1.1 413 Too Large\r\nContent-Length: 9\r\n\r\ntoo large");
    });
    await using proxy = await front(upstream);
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const { status, body } = await request(proxy, "/", { method: "PUT", agent }, data(16 * MiB));
    assert.is(status, 413);
    assert.is(body.toString(), "too large");
    await waitFor("the end of the upstream's connection", () => upstream.open() === 0);
    assert.is((await request(proxy, "/", { agent })).status, 413);
    agent.destroy();
    assert.equal(proxy.errors, []);
  },
);

test("a slow client, and a slow upstream, hold the other side up", { timeoutMs: 60_000 }, async () => {
  let written = 0;
  await using upstream = await httpUpstream((message, response) => {
    if (message.method === "PUT") return;
    const more = () => {
      while (written < 256 * MiB && !response.destroyed) {
        written += MiB;
        if (!response.write(Buffer.alloc(MiB))) return void response.once("drain", more);
      }
    };
    more();
  });
  await using proxy = await front(upstream);
  const client = await connectTo(proxy);
  client.on("error", () => undefined).write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  await stallAfterFirst(client);
  let before = -1;
  await settles(() => before === (before = written));
  assert.ok(written < 128 * MiB, `${written} bytes were taken from the upstream`);
  client.destroy();

  const uploader = await connectTo(proxy);
  uploader.on("error", () => undefined).write(`PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: ${256 * MiB}\r\n\r\n`);
  const more = () => {
    while (uploader.bytesWritten < 200 * MiB && uploader.write(Buffer.alloc(MiB)));
  };
  uploader.on("drain", more);
  more();
  before = -1;
  await settles(() => uploader.bytesWritten > 0 && before === (before = uploader.bytesWritten));
  assert.ok(uploader.writableLength > 0, "all was taken from the client");
  uploader.destroy();
});

/** What a handler may do with an answer that it doesn't return. */
const dropped: Readonly<Record<string, (answer: Response) => Promise<Response>>> = {
  "drops it": async () => new Response("other"),
  "cancels it": async (answer) => {
    await answer.body?.cancel();
    return new Response("other");
  },
  "reads it in part": async (answer) => {
    const reader = answer.body?.getReader();
    await reader?.read();
    await reader?.cancel();
    return new Response("other");
  },
  "hides its body": async ({ headers }) => new Response(null, { headers: { etag: headers.get("etag") ?? "" } }),
};

for (const [what, act] of Object.entries(dropped))
  test(`the upstream's connection is closed where a handler ${what}`, {}, async () => {
    await using upstream = await httpUpstream((_, response) => void response.end(Buffer.alloc(16 * MiB)));
    await using proxy = await front(upstream, {}, (pass) => async (asked) => act(await pass(asked)));
    assert.is((await request(proxy, "/")).status, 200);
    await waitFor("the end of the upstream's connection", () => upstream.open() === 0);
    assert.equal(proxy.errors, []);
  });

test("an abort of any server's Request ends the request to the upstream, and the body of its answer", {}, async () => {
  await using upstream = await httpUpstream((message, response) => {
    if (message.url === "/large") response.end(Buffer.alloc(64 * MiB));
  });
  for (const path of ["/never", "/large"]) {
    const abort = new AbortController();
    const asked = new Request(`http://site.test${path}`, { signal: abort.signal });
    const passing = proxyPass(asked, upstream.url);
    if (path === "/never") await waitFor("the upstream", () => upstream.open() === 1);
    const answer = path === "/never" ? undefined : await passing;
    abort.abort();
    let error: unknown;
    await (answer === undefined ? passing : answer.arrayBuffer()).catch((reason: unknown) => (error = reason));
    assert.is((error as Error).name, "AbortError");
    await waitFor("the end of the upstream's connection", () => upstream.open() === 0);
  }
  let reason: unknown;
  const late = new Request("http://site.test/", { signal: AbortSignal.abort(new Error("Gone")) });
  await proxyPass(late, upstream.url).catch((error: unknown) => (reason = error));
  assert.is((reason as Error).message, "Gone");
});

test("the first bytes of an answer aren't kept back", {}, async () => {
  const waiting: http.ServerResponse[] = [];
  await using upstream = await httpUpstream((_, response) => {
    response.flushHeaders();
    waiting.push(response);
  });
  await using proxy = await front(upstream);
  const sent = http.get({ host: "127.0.0.1", port: proxy.port, agent: false });
  const [response] = (await once(sent, "response")) as [http.IncomingMessage];
  waiting[0]?.write("one");
  const [first] = (await once(response, "data")) as [Buffer];
  assert.is(first.toString(), "one");
  waiting[0]?.end("two");
  assert.is((await collect(response)).toString(), "two");
});
