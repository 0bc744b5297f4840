/** `serve()` of sluice/fetch: any handler over HTTP, by raw sockets and by clients of the runtime. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as http from "node:http";
import { join } from "node:path";
import { promisify } from "node:util";
import { type FetchHandler, file, serve, type ServeOptions, type Server } from "sluice/fetch";
import { assert, test } from "../support/contract.ts";
import { collect, digest, randomBytes, sha256 } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { connectTo, exchange, files, request, serveFiles, stallAfterFirst } from "./support/fetch.ts";
import { assertBytes, data, dataFile, MiB } from "./support/files.ts";
import { collectGarbage } from "./support/garbage.ts";
import { rejection, watch } from "./support/outcome.ts";

const serveHandler = (fetch: FetchHandler, onError: (error: unknown) => void = console.error) =>
  serve({ fetch, host: "127.0.0.1", onError });

test("serve() sends files of every size, whole and in parts", { timeoutMs: 60_000 }, async () => {
  const root = tempFolder();
  await using server = await serveFiles({ root });
  for (const size of [0, 1, 4096, 65_535, 65_536, 65_537, MiB, 32 * MiB]) {
    const { path, content } = dataFile(root, size);
    const name = path.slice(root.length);
    const whole = await request(server, name);
    assert.is(whole.status, 200);
    assert.is(whole.headers["content-length"], String(size));
    assertBytes(whole.body, content);
    if (size < 2) continue;
    const [start, end] = [Math.floor(size / 3), size - 2];
    const part = await request(server, name, { headers: { range: `bytes=${start}-${end}` } });
    assert.is(part.status, 206);
    assert.is(part.headers["content-range"], `bytes ${start}-${end}/${size}`);
    assert.is(part.headers["content-length"], String(end - start + 1));
    assertBytes(part.body, content.subarray(start, end + 1));
  }
});

test("serve() sends files that say nothing of their size, and 500 where the first read fails", {}, async () => {
  for (const [root, name] of [
    ["/sys/class/net/lo", "/mtu"],
    ["/proc/sys/kernel", "/ostype"],
  ] as const) {
    await using server = await serveFiles({ root });
    const { status, body } = await request(server, name);
    assert.is(status, 200);
    assertBytes(body, fs.readFileSync(`${root}${name}`));
  }
  const seen: unknown[] = [];
  await using server = await serveHandler(
    (asked) => file(asked, "/mem", { root: "/proc/self" }),
    (error) => seen.push(error),
  );
  assert.is((await request(server, "/mem")).status, 500);
  assert.is(seen.length, 1);
});

test("serve() sends each of many clients at once the file it asked for", { timeoutMs: 60_000 }, async () => {
  const root = tempFolder();
  const sent = Array.from({ length: 24 }, (_, i) => dataFile(root, [500, 70_000, 400_000][i % 3] ?? 0, i + 1));
  await using server = await serveFiles({ root });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 24 });
  const ask = async (i: number) => {
    const { path, content } = sent[i % sent.length] as (typeof sent)[number];
    const headers = i % 5 === 0 ? { range: "bytes=100-" } : {};
    const { body } = await request(server, path.slice(root.length), { agent, headers });
    assertBytes(body, i % 5 === 0 ? content.subarray(100) : content);
  };
  for (let round = 0; round < 8; round++) await Promise.all(Array.from({ length: 100 }, (_, i) => ask(i * 7 + round)));
  agent.destroy();
});

test("serve() sends several ranges, HEAD, 304, 404, 412 and 416 on one connection", {}, async () => {
  const root = tempFolder();
  const { path, content } = dataFile(root, 100_000);
  const name = path.slice(root.length);
  await using server = await serveFiles({ root });
  const head = await request(server, name, { method: "HEAD" });
  assert.is(head.headers["content-length"], "100000");
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const get = (target: string, headers: Record<string, string | undefined>, method = "GET") =>
    request(server, target, { agent, method, headers });
  const cases = [
    [304, await get(name, { "if-none-match": head.headers.etag })],
    [200, await get(name, {}, "HEAD")],
    [404, await get("/none", {})],
    [412, await get(name, { "if-match": '"x"' })],
    [416, await get(name, { range: "bytes=200000-" })],
    [206, await get(name, { range: "bytes=5-9" })],
    [206, await get(name, { range: "bytes=0-1,50-51" })],
  ] as const;
  agent.destroy();
  for (const [status, answer] of cases) assert.is(answer.status, status);
  const [, , , , unsatisfiable, single, several] = cases.map(([, answer]) => answer);
  assert.is(unsatisfiable?.headers["content-range"], "bytes */100000");
  assertBytes(single?.body ?? Buffer.alloc(0), content.subarray(5, 10));
  assert.match(several?.headers["content-type"] ?? "", /^multipart\/byteranges; boundary=/);
  assert.ok(several?.body.includes(content.subarray(50, 52)));
});

test("serve() answers pipelined requests in their order", {}, async () => {
  const root = tempFolder();
  const names = [1, 2, 3].map((seed) => dataFile(root, 50_000 * seed, seed));
  await using server = await serveFiles({ root });
  const last = "Connection: close\r\n";
  const text = names.map(
    ({ path }, i) => `GET ${path.slice(root.length)} HTTP/1.1\r\nHost: x\r\n${i === 2 ? last : ""}\r\n`,
  );
  const received = Buffer.from(await exchange(server, text.join("")), "latin1");
  let at = 0;
  for (const { content } of names) {
    at = received.indexOf(content, at);
    assert.ok(at > 0, `${content.length} bytes`);
    at += content.length;
  }
  assert.is(at, received.length);
});

test("serve() gives handlers the method, URL, headers and body of a request", {}, async () => {
  await using server = await serveHandler(async (asked) => {
    const body = asked.body === null ? null : sha256(new Uint8Array(await asked.arrayBuffer()));
    const { method, url, headers } = asked;
    return Response.json({ method, url, body, twice: headers.get("x-twice"), type: headers.get("content-type") });
  });
  const upload = randomBytes(3 * MiB);
  const { status, body } = await request(
    server,
    "/a/b?c=%20d",
    { method: "PUT", headers: { "x-twice": ["1", "2"], "content-type": "a/b", "content-length": upload.length } },
    upload,
  );
  assert.is(status, 200);
  assert.equal(JSON.parse(body.toString()), {
    method: "PUT",
    url: `${server.url}a/b?c=%20d`,
    body: sha256(upload),
    twice: "1, 2",
    type: "a/b",
  });
  const chunked = await request(server, "/", { method: "POST", headers: { "transfer-encoding": "chunked" } }, upload);
  assert.is(JSON.parse(chunked.body.toString()).body, sha256(upload));
  const bare = await request(server, "/", { method: "GET" });
  assert.is(JSON.parse(bare.body.toString()).body, null);
});

test("serve() streams a request's body in while its answer streams out", {}, async () => {
  await using server = await serveHandler((asked) => new Response(asked.body));
  const socket = await connectTo(server);
  const received: string[] = [];
  socket.setEncoding("latin1").on("data", (text: string) => received.push(text));
  socket.write("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 10\r\n\r\nfirst");
  await waitFor("the first half to come back", () => received.join("").includes("first"));
  socket.write("after");
  await once(socket, "close");
  assert.match(received.join(""), "after");
});

test("serve() answers to Expect: 100-continue", {}, async () => {
  await using server = await serveHandler(async (asked) => new Response(await asked.text()));
  const socket = await connectTo(server);
  socket.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n");
  const [first] = (await once(socket, "data")) as [Buffer];
  assert.match(first.toString(), /^HTTP\/1\.1 100 Continue\r\n\r\n/);
  socket.write("body");
  assert.match((await collect(socket)).toString(), /^HTTP\/1\.1 200 OK[^]*body/);
});

test("serve() sends every Set-Cookie, status text, and no body with 204 and 304", {}, async () => {
  await using server = await serveHandler((asked) => {
    const { pathname } = new URL(asked.url);
    if (pathname === "/304") return new Response(null, { status: 304, headers: { etag: '"x"' } });
    if (pathname === "/204") return new Response(null, { status: 204 });
    const headers = new Headers([
      ["set-cookie", "a=1; Path=/"],
      ["set-cookie", "b=2"],
      ["x-one", "1"],
    ]);
    return new Response("text", { status: 201, headers });
  });
  const { status, headers, body } = await request(server, "/");
  assert.is(status, 201);
  assert.equal(headers["set-cookie"], ["a=1; Path=/", "b=2"]);
  assert.is(headers["x-one"], "1");
  assert.is(body.toString(), "text");
  for (const path of ["/204", "/304"]) {
    const text = await exchange(server, `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    assert.match(text, new RegExp(`^HTTP/1.1 ${path.slice(1)} `));
    assert.match(text, /\r\n\r\n$/);
  }
});

test("serve() answers HEAD through a handler that knows GET alone, without a body", {}, async () => {
  let cancelled = false;
  await using server = await serveHandler(
    () =>
      new Response(
        new ReadableStream({
          pull: (controller) => controller.enqueue(new Uint8Array(10)),
          cancel: () => void (cancelled = true),
        }),
      ),
  );
  const text = await exchange(server, "HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  assert.match(text, /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n$/);
  await waitFor("the body to be cancelled", () => cancelled);
});

test("serve() answers 500 without a word of the error, and tells onError", {}, async () => {
  const errors: unknown[] = [];
  const failures: Readonly<Record<string, () => unknown>> = {
    "/throw": () => {
      throw new Error("TOP-SECRET");
    },
    "/reject": () => Promise.reject(new Error("TOP-SECRET")),
    "/nothing": () => undefined,
  };
  await using server = await serveHandler(
    (asked) => (failures[new URL(asked.url).pathname] ?? (() => new Response("fine")))() as Response,
    (error) => errors.push(error),
  );
  for (const [i, path] of Object.keys(failures).entries()) {
    const { status, headers, body } = await request(server, path);
    assert.is(status, 500, path);
    assert.not.match(JSON.stringify(headers) + body.toString(), "TOP-SECRET");
    assert.is(errors.length, i + 1, path);
  }
  assert.is((await request(server, "/")).body.toString(), "fine");
});

test("serve() breaks an answer off whose body fails, and goes on serving", {}, async () => {
  const errors: unknown[] = [];
  await using server = await serveHandler(
    (asked) => {
      if (asked.url.endsWith("/fine")) return new Response("fine");
      let pulls = 0;
      const body = new ReadableStream<Uint8Array>({
        pull(controller) {
          if (pulls++ < 3) controller.enqueue(new Uint8Array(1000));
          else controller.error(new Error("The body failed"));
        },
      });
      return new Response(body);
    },
    (error) => errors.push(error),
  );
  const { message } = await rejection(() => request(server, "/"));
  assert.ok(message !== "");
  assert.match(String(errors[0]), "The body failed");
  assert.is((await request(server, "/fine")).body.toString(), "fine");
});

test("serve() aborts the signal of a request also when the garbage has been collected", {}, async () => {
  let aborted = 0;
  await using server = await serveHandler((asked) => {
    asked.signal.addEventListener("abort", () => aborted++);
    const endless = new ReadableStream<Uint8Array>({
      async pull(controller) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        controller.enqueue(new Uint8Array(1000));
      },
    });
    return new Response(endless);
  });
  for (let round = 1; round <= 3; round++) {
    const socket = await connectTo(server);
    socket.on("error", () => undefined);
    socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await stallAfterFirst(socket);
    await collectGarbage();
    socket.destroy();
    await waitFor("the signal", () => aborted === round);
  }
});

test("serve() aborts the request's signal when the client goes, and not when all is well", {}, async () => {
  const signals: AbortSignal[] = [];
  await using server = await serveHandler(async (asked) => {
    signals.push(asked.signal);
    if (asked.url.endsWith("/quick")) return new Response("quick");
    await new Promise((resolve) => asked.signal.addEventListener("abort", resolve));
    throw asked.signal.reason;
  });
  await request(server, "/quick");
  const socket = await connectTo(server);
  socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  await waitFor("the second request", () => signals.length === 2);
  socket.destroy();
  await waitFor("the signal", () => signals[1]?.aborted === true);
  assert.is(signals[0]?.aborted, false);
});

test("serve() survives hostile Hosts and targets", { timeoutMs: 30_000 }, async () => {
  const urls: string[] = [];
  await using server = await serveHandler((asked) => {
    urls.push(asked.url);
    return new Response("fine");
  });
  const hosts = [
    "a b",
    "a/b",
    "a?b",
    "a#b",
    "user@a",
    "user:pw@a",
    "[::1",
    "a:99999",
    "a:b",
    "%zz",
    "<a>",
    "\\a",
    "a\tb",
  ];
  for (const host of hosts) {
    const text = await exchange(server, `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    assert.match(text, /^HTTP\/1\.1 400 /, host);
  }
  const targets = [
    "*",
    "ftp://x/",
    "http://",
    "http://a b/",
    "http://u@x/",
    "/\\..",
    "/%",
    "//",
    "/a#b",
    "/?#",
    "/\x80",
  ];
  for (const target of targets) {
    const text = await exchange(server, `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    assert.match(text, /^(HTTP\/1\.1 (200|400|505) |$)/, target);
  }
  for (const url of urls) assert.ok(URL.canParse(url), url);
  assert.is((await request(server, "/")).status, 200);
});

test("serve() takes targets in absolute form, and HTTP/1.0 without a Host", {}, async () => {
  await using server = await serveHandler((asked) => new Response(asked.url));
  const absolute = await exchange(server, "GET http://other.test?x=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  assert.match(absolute, "http://other.test/?x=1");
  assert.match(await exchange(server, "GET /old HTTP/1.0\r\n\r\n"), `http://127.0.0.1:${server.port}/old`);
  const trace = await exchange(server, "TRACE / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  assert.match(trace, /^HTTP\/1\.1 501 /);
});

test("serve() keeps a connection after an upload that nobody read", {}, async () => {
  await using server = await serveHandler(async (asked) => {
    const reader = asked.body?.getReader();
    await reader?.read();
    await reader?.cancel();
    return new Response(asked.method);
  });
  const socket = await connectTo(server);
  const received: string[] = [];
  socket.setEncoding("latin1").on("data", (text: string) => received.push(text));
  const head = (method: string) => `${method} / HTTP/1.1\r\nHost: x\r\n`;
  socket.write(`${head("POST")}Content-Length: ${2 * MiB}\r\n\r\n`);
  socket.write(Buffer.alloc(2 * MiB));
  await waitFor("the first answer", () => received.join("").includes("POST"));
  socket.write(`${head("GET")}Connection: close\r\n\r\n`);
  await once(socket, "close");
  assert.match(received.join(""), "GET");
});

test("serve() doesn't pull a body faster than its client reads", {}, async () => {
  let pulled = 0;
  await using server = await serveHandler(
    () =>
      new Response(
        new ReadableStream<Uint8Array>(
          {
            pull(controller) {
              pulled++;
              controller.enqueue(new Uint8Array(65_536));
              if (pulled === 1000) controller.close();
            },
          },
          { highWaterMark: 0 },
        ),
      ),
  );
  const socket = await connectTo(server);
  socket.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  let last = -1;
  await waitFor("the pulling to stop", async () => {
    const stopped = pulled > 0 && pulled === last;
    last = pulled;
    await new Promise((resolve) => setTimeout(resolve, 100));
    return stopped;
  });
  assert.ok(pulled < 500, `${pulled} chunks of 64 KiB were pulled for a client that reads nothing`);
  const { bytes } = await digest(socket.resume());
  assert.ok(bytes > 1000 * 65_536);
});

test("serve() resolves with where it listens, and rejects where it can't", {}, async () => {
  await using server = await serveHandler(() => new Response("fine"));
  assert.ok(server.port > 0);
  assert.is(server.hostname, "127.0.0.1");
  assert.is(server.url, `http://127.0.0.1:${server.port}/`);
  const { code } = await rejection(() => serve({ port: server.port, host: "127.0.0.1", fetch: () => new Response() }));
  assert.is(code, "EADDRINUSE");
});

test("serve() listens where hostname says, by either of its names, and refuses two", {}, async () => {
  const fetch = () => new Response("fine");
  for (const where of [
    { hostname: "127.0.0.1" },
    { host: "127.0.0.1" },
    { host: "127.0.0.1", hostname: "127.0.0.1" },
    { host: undefined, hostname: "127.0.0.1" },
    { host: "127.0.0.1", hostname: undefined },
  ]) {
    await using server = await serve({ fetch, ...where });
    assert.is(server.hostname, "127.0.0.1");
  }
  const wrong: readonly unknown[] = [
    { fetch, hostname: "127.0.0.1", host: "127.0.0.2" },
    { fetch, hostname: 1 },
    { fetch, keepAliveTimeoutMs: -1 },
    { fetch, keepAliveTimeoutMs: "75s" },
    { fetch, idleTimeoutMs: 0.5 },
    { fetch: "fine" },
  ];
  for (const options of wrong) {
    const error = await rejection(() => serve(options as ServeOptions));
    assert.match(error.code ?? "", /^ERR_(INVALID_ARG|OUT_OF_RANGE)/, JSON.stringify(options));
  }
});

test("serve() keeps a connection for a next request as long as keepAliveTimeoutMs says", {}, async () => {
  const fetch = () => new Response("fine");
  await using short = await serve({ fetch, hostname: "127.0.0.1", keepAliveTimeoutMs: 200 });
  await using usual = await serve({ fetch, hostname: "127.0.0.1" });
  const ask = async (server: Server) => {
    const socket = await connectTo(server);
    socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    const [first] = (await once(socket, "data")) as [Buffer];
    return { socket, text: first.toString() };
  };
  const [closing, open] = [await ask(short), await ask(usual)];
  assert.match(open.text, /\r\nkeep-alive: timeout=75\r\n/i);
  await once(closing.socket.resume(), "close");
  // By then it would be gone, too, if it had the same time.
  open.socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  const [again] = (await once(open.socket, "data")) as [Buffer];
  assert.match(again.toString(), /^HTTP\/1\.1 200 /);
  open.socket.destroy();
});

test("serve() ends a connection that stands still for idleTimeoutMs, and none that goes on", {}, async () => {
  const root = tempFolder();
  const { path } = dataFile(root, 24 * MiB);
  const ticking = (ticks: number) =>
    new ReadableStream<Uint8Array>({
      async pull(controller) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        if (ticks-- > 0) controller.enqueue(new Uint8Array(1).fill(0x2e));
        else controller.close();
      },
    });
  await using server = await serve({
    hostname: "127.0.0.1",
    idleTimeoutMs: 1000,
    fetch: (asked) => (asked.url.endsWith("/ticking") ? new Response(ticking(20)) : files({ root })(asked)),
    onError: () => undefined,
  });
  const still = await connectTo(server);
  const stalled = await connectTo(server);
  const ends = [still, stalled].map((socket) => new Promise((resolve) => socket.once("close", resolve)));
  still.resume().write("GET / HT");
  stalled.on("error", () => undefined);
  stalled.write(`GET ${path.slice(root.length)} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await stallAfterFirst(stalled);
  // Longer than the time-out altogether, and never still for that long.
  assert.is((await request(server, "/ticking")).body.toString(), ".".repeat(20));
  stalled.resume();
  await Promise.all(ends);
});

test("serve().close() lets running answers finish and closes what is idle", {}, async () => {
  const root = tempFolder();
  const { path, content } = dataFile(root, 24 * MiB);
  const server = await serveFiles({ root });
  const idle = await connectTo(server);
  const used = await connectTo(server);
  used.write("GET /none HTTP/1.1\r\nHost: x\r\n\r\n");
  await once(used, "data");
  const busy = await connectTo(server);
  busy.write(`GET ${path.slice(root.length)} HTTP/1.1\r\nHost: x\r\n\r\n`);
  const first = await stallAfterFirst(busy);
  const closing = server.close();
  const state = watch(closing);
  await Promise.all([idle, used].map((socket) => once(socket.resume(), "close")));
  assert.is(state.settled, false);
  const received = Buffer.concat([first, await collect(busy.resume())]);
  assert.ok(received.subarray(-content.length).equals(content));
  await closing;
  const { code } = await rejection(() => connectTo(server));
  assert.is(code, "ECONNREFUSED");
  await server.close();
});

test("serve().close() breaks off what takes longer than timeoutMs", {}, async () => {
  const root = tempFolder();
  const { path } = dataFile(root, 24 * MiB);
  const server = await serveFiles({ root });
  const busy = await connectTo(server);
  busy.on("error", () => undefined);
  busy.write(`GET ${path.slice(root.length)} HTTP/1.1\r\nHost: x\r\n\r\n`);
  const first = await stallAfterFirst(busy);
  await server.close({ timeoutMs: 50 });
  let bytes = first.length;
  busy.on("data", (chunk: Buffer) => (bytes += chunk.length));
  busy.resume();
  await once(busy, "close");
  assert.ok(bytes < 24 * MiB);
});

test("serve() breaks the connection off where a file has become shorter", {}, async () => {
  const root = tempFolder();
  const { path } = dataFile(root, 24 * MiB);
  await using server = await serveFiles({ root }, { onError: () => undefined });
  const socket = await connectTo(server);
  const next = "GET /none HTTP/1.1\r\nHost: x\r\n\r\n";
  socket.write(`GET ${path.slice(root.length)} HTTP/1.1\r\nHost: x\r\n\r\n${next}`);
  const first = await stallAfterFirst(socket);
  fs.truncateSync(path, 1000);
  let bytes = first.length;
  let tail = "";
  socket.on("error", () => undefined);
  socket.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    tail = chunk.subarray(-200).toString("latin1");
  });
  socket.resume();
  await once(socket, "close");
  assert.ok(bytes < 24 * MiB);
  assert.not.match(tail, "404");
});

test("serve() sends the file that was opened, whatever its name has come to mean", {}, async () => {
  const root = tempFolder();
  const { path, content } = dataFile(root, 24 * MiB);
  await using server = await serveHandler(async () => {
    const response = await file(new Request("http://x/"), path.slice(root.length), { root });
    fs.writeFileSync(join(root, "other"), data(24 * MiB, 7));
    fs.renameSync(join(root, "other"), path);
    return response;
  });
  assertBytes((await request(server, "/")).body, content);
});

const execFileAsync = promisify(execFile);

test("serve() satisfies curl: ranges, resumption, HTTP/1.0, conditions, compression", {}, async () => {
  const root = tempFolder();
  const { path, content } = dataFile(root, 200_000);
  await using server = await serveFiles({ root });
  const url = server.url + path.slice(root.length + 1);
  const into = join(tempFolder(), "got");
  const curl = async (...args: string[]) =>
    (await execFileAsync("curl", ["-sS", "--fail", "-o", into, "-w", "%{http_code}", ...args, url])).stdout;
  assert.is(await curl(), "200");
  assertBytes(fs.readFileSync(into), content);
  assert.is(await curl("--range", "10-19"), "206");
  assertBytes(fs.readFileSync(into), content.subarray(10, 20));
  fs.writeFileSync(into, content.subarray(0, 70_000));
  assert.is(await curl("--continue-at", "-"), "206");
  assertBytes(fs.readFileSync(into), content);
  assert.is(await curl("--http1.0"), "200");
  assertBytes(fs.readFileSync(into), content);
  assert.is(await curl("--limit-rate", "1M", "--compressed"), "200");
  assertBytes(fs.readFileSync(into), content);
  assert.is(await curl("--time-cond", path), "304");
});
