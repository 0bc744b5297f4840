/** Clients that end their side after a request, as `nc -N` does, get their answer from `serve()`, small or large. */
import { once } from "node:events";
import * as fs from "node:fs";
import * as net from "node:net";
import { join } from "node:path";
import { file, serve, type Server } from "sluice/fetch";
import { assert, test } from "../support/contract.ts";
import { collect, sha256 } from "../support/data.ts";
import { openDescriptors } from "../support/fds.ts";
import { tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { connectTo } from "./support/fetch.ts";
import { data, MiB } from "./support/files.ts";

const large = data(24 * MiB);

function site(): string {
  const root = tempFolder();
  fs.writeFileSync(join(root, "small.txt"), "small");
  fs.writeFileSync(join(root, "large.bin"), large);
  return root;
}

/** A body that takes its time. */
function slowly(chunks: number): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      if (chunks-- > 0) controller.enqueue(new Uint8Array(10_000).fill(0x2e));
      else controller.close();
    },
  });
}

function start(root: string, signals: AbortSignal[] = []): Promise<Server> {
  return serve({
    hostname: "127.0.0.1",
    async fetch(asked) {
      signals.push(asked.signal);
      const { pathname } = new URL(asked.url);
      if (pathname === "/later") await new Promise((resolve) => setTimeout(resolve, 100));
      if (pathname === "/ended")
        await new Promise((resolve) => asked.signal.addEventListener("abort", resolve, { once: true }));
      if (pathname === "/slowly") return new Response(slowly(20));
      if (pathname === "/echo") return new Response(await asked.arrayBuffer());
      if (pathname === "/memory") return new Response(large, { headers: { "content-length": String(large.length) } });
      if (["/later", "/ended", "/at-once"].includes(pathname)) return new Response("hello");
      return file(asked, pathname === "/ended-file" ? "/large.bin" : pathname, { root });
    },
  });
}

/** What comes for a request behind which the client ends its side; it never reads before that. */
async function ask(server: Server, ...requests: string[]): Promise<Buffer> {
  const socket = net.connect({ port: server.port, host: "127.0.0.1", allowHalfOpen: true });
  await once(socket, "connect");
  socket.end(requests.join(""), "latin1");
  await once(socket, "finish");
  return collect(socket);
}

const get = (path: string, more = "") => `GET ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`;

function bodyOf(answer: Buffer): Buffer {
  return answer.subarray(answer.indexOf("\r\n\r\n") + 4);
}

const small: Readonly<Record<string, readonly [request: string, answer: RegExp]>> = {
  "a file": [get("/small.txt"), /^HTTP\/1\.1 200 [^]*\r\n\r\nsmall$/],
  "a file, by HTTP/1.0": ["GET /small.txt HTTP/1.0\r\n\r\n", /^HTTP\/1\.1 200 [^]*\r\n\r\nsmall$/],
  "an answer at once": [get("/at-once"), /^HTTP\/1\.1 200 [^]*hello/],
  "an answer that takes its time": [get("/later"), /^HTTP\/1\.1 200 [^]*hello/],
  "an answer when the end is known": [get("/ended"), /^HTTP\/1\.1 200 [^]*hello/],
  "no file": [get("/none"), /^HTTP\/1\.1 404 /],
  "a head": [get("/large.bin").replace("GET", "HEAD"), /^HTTP\/1\.1 200 [^]*\r\n\r\n$/],
  "an upload": ["POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", /^HTTP\/1\.1 200 [^]*hello/],
  "a chunked upload": [
    "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    /^HTTP\/1\.1 200 [^]*hello/,
  ],
  "several requests": [get("/later") + get("/small.txt") + get("/none"), /hello[^]*small[^]*404/],
};

for (const [what, [text, answer]] of Object.entries(small))
  test(`serve() answers a client that has ended its side: ${what}`, {}, async () => {
    await using server = await start(site());
    for (let i = 0; i < 5; i++) assert.match((await ask(server, text)).toString("latin1"), answer, `${i}`);
  });

for (const path of ["/large.bin", "/memory"])
  test(`serve() answers a client that has ended its side: 24 MiB of ${path}`, { timeoutMs: 60_000 }, async () => {
    await using server = await start(site());
    for (const more of ["", "Connection: close\r\n"])
      assert.is(sha256(bodyOf(await ask(server, get(path, more)))), sha256(large));
    const part = bodyOf(await ask(server, get("/large.bin", "Range: bytes=5-20000004\r\n")));
    assert.is(sha256(part), sha256(large.subarray(5, 20_000_005)));
  });

test("serve() answers a client that has ended its side in mid-answer", {}, async () => {
  await using server = await start(site());
  const socket = net.connect({ port: server.port, host: "127.0.0.1", allowHalfOpen: true });
  await once(socket, "connect");
  socket.write(get("/slowly"));
  await once(socket, "readable");
  socket.end();
  const text = (await collect(socket)).toString("latin1");
  assert.is(text.match(/\./g)?.length, 20 * 10_000 + (text.split("\r\n\r\n")[0]?.match(/\./g)?.length ?? 0));
});

test("serve() aborts the signal of a request whose client has ended its side, and of no other", {}, async () => {
  const signals: AbortSignal[] = [];
  await using server = await start(site(), signals);
  const kept = await connectTo(server);
  kept.write(get("/small.txt"));
  await once(kept, "data");
  await ask(server, get("/ended"));
  assert.equal(
    signals.map(({ aborted }) => aborted),
    [false, true],
  );
  kept.destroy();
});

test("serve() refuses half a request of a client that has ended its side", {}, async () => {
  await using server = await start(site());
  for (const text of ["GET / HT", "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nhello"])
    assert.not.match((await ask(server, text)).toString("latin1"), /^HTTP\/1\.1 [23]/);
});

test(
  "serve() lets go of everything when clients that had ended their side are gone",
  { needs: ["proc"], timeoutMs: 60_000 },
  async () => {
    const root = site();
    await using server = await start(root);
    for (let i = 0; i < 20; i++) {
      const socket = net.connect({ port: server.port, host: "127.0.0.1", allowHalfOpen: true });
      socket.on("error", () => undefined);
      await once(socket, "connect");
      socket.end(get("/large.bin") + get("/large.bin"));
      await once(socket, "readable");
      if (i % 2 === 0) socket.resetAndDestroy();
      else socket.destroy();
    }
    await waitFor("the files to be closed", () => openDescriptors().every((name) => !name.includes(root)));
  },
);
