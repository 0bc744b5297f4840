/** sluice/fetch inside of frameworks, and frameworks inside of its server. */
import compression from "compression";
import express from "express";
import { createApp, defineEventHandler, toNodeListener, toWebHandler, toWebRequest } from "h3";
import { Hono } from "hono";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { createServer, type RequestListener } from "node:http";
import * as http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { type FetchHandler, file, serve, toNodeHandler } from "sluice/fetch";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { request } from "../contract/support/fetch.ts";
import { assertBytes, dataFile, MiB } from "../contract/support/files.ts";
import { collect } from "../support/data.ts";
import { openDescriptors } from "../support/fds.ts";
import { root as repository } from "../support/root.ts";
import { tempFolder } from "../support/temp.ts";
import { settles } from "../support/wait.ts";

const test = suite("fetch in frameworks");
const root = tempFolder();
const { path, content } = dataFile(root, 3 * MiB);
const name = path.slice(root.length);
fs.writeFileSync(join(root, "page.html"), "<p>".repeat(5000));

async function listen(listener: RequestListener): Promise<AsyncDisposable & { port: number }> {
  const server = createServer(listener);
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}

const listenHere = (fetch: FetchHandler) => serve({ fetch, host: "127.0.0.1" });

/** What every combination of framework and server has to answer. */
async function check(server: { readonly port: number }, prefix = ""): Promise<void> {
  const url = prefix + name;
  const whole = await request(server, url);
  assert.is(whole.status, 200);
  assertBytes(whole.body, content);
  assert.is(whole.headers["content-type"], "application/octet-stream");
  const part = await request(server, url, { headers: { range: "bytes=7-1000006" } });
  assert.is(part.status, 206);
  assert.is(part.headers["content-range"], `bytes 7-1000006/${content.length}`);
  assertBytes(part.body, content.subarray(7, 1_000_007));
  const head = await request(server, url, { method: "HEAD" });
  assert.is(head.status, 200);
  assert.is(head.body.length, 0);
  assert.is(head.headers.etag, whole.headers.etag);
  assert.is((await request(server, url, { headers: { "if-none-match": whole.headers.etag } })).status, 304);
  assert.is((await request(server, url, { headers: { range: "bytes=9999999-" } })).status, 416);
  assert.is((await request(server, `${prefix}/none`)).status, 404);
  const isOpen = () => openDescriptors().some((link) => link.includes(root));
  await settles(() => !isOpen());
  assert.not.ok(isOpen(), "files are still open");
}

function hono(): Hono {
  const app = new Hono();
  app.use(async (context, next) => {
    await next();
    context.res.headers.set("x-after", "yes");
  });
  app.get("/files/*", (context) => file(context.req.raw, context.req.path.slice("/files".length), { root }));
  return app;
}

test("file() in a Hono app on serve()", async () => {
  await using server = await listenHere(hono().fetch as FetchHandler);
  await check(server, "/files");
  assert.is((await request(server, `/files${name}`)).headers["x-after"], "yes");
});

test("file() in a Hono app on toNodeHandler()", async () => {
  await using server = await listen(toNodeHandler(hono().fetch as FetchHandler));
  await check(server, "/files");
});

const h3 = () => createApp().use(defineEventHandler((event) => file(toWebRequest(event), event.path, { root })));

test("file() in an h3 app on serve()", async () => {
  await using server = await listenHere(toWebHandler(h3()) as FetchHandler);
  await check(server);
});

test("file() in an h3 app on h3's own listener", async () => {
  await using server = await listen(toNodeListener(h3()) as RequestListener);
  await check(server);
});

test("toNodeHandler() in an Express app, behind a middleware that compresses", async () => {
  const app = express();
  app.use(compression());
  app.use("/files", (request_, response) =>
    toNodeHandler((asked) => file(asked, request_.url, { root }))(request_, response),
  );
  await using server = await listen(app as RequestListener);
  await check(server, "/files");
  const page = await request(server, "/files/page.html", { headers: { "accept-encoding": "gzip" } });
  assert.is(page.headers["content-encoding"], "gzip");
  assert.is(page.headers["content-length"], undefined);
  assert.ok(page.body.length < 1000);
});

test("toNodeHandler() answers HTTP/2", async () => {
  const server = http2.createServer(
    toNodeHandler((asked) => file(asked, new URL(asked.url).pathname, { root })) as never,
  );
  await once(server.listen(0, "127.0.0.1"), "listening");
  const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const stream = client.request({ ":path": name, range: "bytes=1-2000000" });
  const [headers] = (await once(stream, "response")) as [http2.IncomingHttpHeaders];
  assert.is(headers[":status"], 206);
  assertBytes(await collect(stream), content.subarray(1, 2_000_001));
  client.close();
  server.close();
});

test("file() answers 403 where the file may not be read", async () => {
  if (process.getuid?.() !== 0) return;
  const closed = tempFolder();
  fs.writeFileSync(join(closed, "closed.txt"), "closed");
  fs.chmodSync(closed, 0o755);
  fs.chmodSync(join(closed, "closed.txt"), 0o600);
  const script = `
    import { file } from "sluice/fetch";
    const ask = (path) => file(new Request("http://x/"), path, { root: ${JSON.stringify(closed)} });
    await ask("/closed.txt").then((response) => response.body.cancel());
    process.setgid(65534);
    process.setuid(65534);
    console.log((await ask("/closed.txt")).status);`;
  const output = execFileSync(process.execPath, ["--input-type=module", "--eval", script], {
    encoding: "utf8",
    cwd: repository,
  });
  assert.is(output.trim(), "403");
});

test.run();
