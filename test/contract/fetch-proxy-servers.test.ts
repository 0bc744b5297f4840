/** proxyPass() under servers of every sort, before upstreams of every sort. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as http from "node:http";
import * as https from "node:https";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";
import { proxyPass } from "sluice/fetch";
import { transfer, TransferError } from "sluice";
import { assert, test } from "../support/contract.ts";
import { collect } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";
import { settles, waitFor } from "../support/wait.ts";
import { connectTo, request, stallAfterFirst } from "./support/fetch.ts";
import { assertBytes, data, dataFile, MiB } from "./support/files.ts";
import { collectGarbage } from "./support/garbage.ts";
import { startOwn } from "./support/own-servers.ts";
import { echo, echoed, fieldsNamed, front, httpUpstream } from "./support/upstreams.ts";

test("under another server proxyPass() carries bodies in both directions", {}, async () => {
  const content = data(2 * MiB);
  let received = Buffer.alloc(0) as Buffer;
  await using upstream = await httpUpstream((message, response) => {
    void collect(message).then((body) => {
      received = body;
      response.setHeader("x-for", message.headers["x-forwarded-for"] ?? "nobody");
      response.end(content);
    });
  });
  await using server = await startOwn((asked) => proxyPass(asked, upstream.url));
  const { status, headers, body } = await request(
    server,
    "/",
    { method: "PUT", headers: { "content-length": content.length } },
    content,
  );
  assert.is(status, 200);
  assertBytes(received, content);
  assertBytes(body, content);
  // It doesn't say whose request it is.
  assert.is(headers["x-for"], "nobody");
});

test("under another server a client that goes ends the request to the upstream", {}, async () => {
  let begun = 0;
  await using upstream = await httpUpstream((message, response) => {
    begun++;
    if (message.url === "/large") response.end(Buffer.alloc(64 * MiB));
  });
  await using server = await startOwn(async (asked) =>
    proxyPass(asked, upstream.url).catch(() => new Response(null, { status: 500 })),
  );
  for (const path of ["/never", "/large"]) {
    const expected = begun + 1;
    const socket = await connectTo(server);
    socket.on("error", () => undefined);
    socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await waitFor("the upstream", () => begun === expected);
    if (path === "/large") await stallAfterFirst(socket);
    await collectGarbage();
    socket.resetAndDestroy();
    await waitFor(`the end of the upstream's connection (${path})`, () => upstream.open() === 0);
  }
});

test("under another server a body that is dropped is closed with the garbage", {}, async () => {
  await using upstream = await httpUpstream((_, response) => void response.end(Buffer.alloc(8 * MiB)));
  const drop = async () => (await proxyPass(new Request("http://site.test/"), upstream.url)).status;
  assert.is(await drop(), 200);
  // Deno can't be told to collect.
  if ("Deno" in globalThis) return;
  await waitFor("the end of the upstream's connection", async () => {
    await collectGarbage();
    return upstream.open() === 0;
  });
});

test("under another server transfer() takes the body of a Request", {}, async () => {
  const path = join(tempFolder(), "target");
  const content = data(2 * MiB);
  let failed: unknown;
  await using server = await startOwn(async ({ body }) => {
    await transfer(body ?? new Uint8Array(), path, { atomic: true }).catch((error: unknown) => (failed = error));
    return new Response("stored");
  });
  const headers = { "content-length": content.length };
  assert.is((await request(server, "/", { method: "PUT", headers }, content)).body.toString(), "stored");
  assertBytes(fs.readFileSync(path), content);
  fs.rmSync(path);
  const socket = await connectTo(server);
  socket.on("error", () => undefined);
  socket.write(`PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: ${MiB}\r\n\r\n`);
  await new Promise((resolve) => socket.write(Buffer.alloc(100_000), resolve));
  socket.resetAndDestroy();
  await waitFor("the failure", () => failed !== undefined);
  assert.instance(failed, TransferError);
  assert.not.ok(fs.existsSync(path));
});

test("under serve() bodies go from stream to stream, both ways, and behind a wrapped Response", {}, async () => {
  const content = data(MiB);
  await using upstream = await httpUpstream((message, response) => {
    void collect(message).then((body) => response.end(body.length > 0 ? "stored" : content));
  });
  const wrap = async (answer: Response | Promise<Response>) => {
    const { body, status, headers } = await answer;
    return new Response(body, { status, headers: { ...Object.fromEntries(headers), "x-wrapped": "1" } });
  };
  await using proxy = await front(upstream, {}, (pass) => (asked) => wrap(pass(asked)));
  const piped: string[] = [];
  const { prototype } = http.IncomingMessage;
  const { pipe } = prototype;
  prototype.pipe = function <T extends NodeJS.WritableStream>(
    this: http.IncomingMessage,
    target: T,
    options?: object,
  ): T {
    piped.push(target.constructor.name);
    return pipe.call(this, target, options) as T;
  };
  try {
    const got = await request(proxy, "/");
    assert.is(got.headers["x-wrapped"], "1");
    assert.is(got.headers["content-length"], String(content.length));
    assertBytes(got.body, content);
    assert.is((await request(proxy, "/", { method: "PUT" }, content)).body.toString(), "stored");
  } finally {
    prototype.pipe = pipe;
  }
  assert.equal(piped, ["ServerResponse", "ClientRequest", "ServerResponse"]);
});

test("proxyPass() reaches an upstream by TLS, and none that it doesn't trust", { needs: ["openssl"] }, async () => {
  const folder = tempFolder();
  const [keyPath, certPath] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
  const made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", keyPath, "-out", certPath];
  execFileSync("openssl", [...made, ...subject], { stdio: "ignore" });
  const cert = fs.readFileSync(certPath);
  const server = https.createServer({ key: fs.readFileSync(keyPath), cert }, echo);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const agent = new https.Agent({ keepAlive: true, ca: cert });
  {
    await using proxy = await front(url, { agent });
    const content = data(100_000);
    for (let i = 0; i < 3; i++) {
      const told = echoed((await request(proxy, "/a", { method: "PUT" }, content)).body);
      assert.is(told.body, content.toString("latin1"));
      assert.equal(fieldsNamed(told, "x-forwarded-proto"), ["http"]);
    }
    await using strict = await front(url);
    assert.is((await request(strict, "/")).status, 502);
    assert.is(strict.errors.length, 1);
  }
  agent.destroy();
  server.close();
  server.closeAllConnections?.();
});

test("nginx, an upstream, and curl, a client, get along by proxyPass()", { needs: ["nginx"] }, async () => {
  const folder = tempFolder();
  fs.chmodSync(folder, 0o755);
  const { path, content } = dataFile(folder, 8 * MiB);
  fs.chmodSync(path, 0o644);
  const socketPath = join(folder, "nginx.sock");
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((each) => `${each}_temp_path ${folder};`);
  fs.writeFileSync(
    join(folder, "nginx.conf"),
    `daemon off; master_process off; pid ${folder}/pid; error_log stderr; events {}
http { access_log off; client_max_body_size 0; ${paths.join(" ")} gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any;
  server { listen unix:${socketPath}; root ${folder};
    location /told { return 200 "$http_x_forwarded_for $http_host"; }
    location /moved { return 301 /elsewhere; } } }`,
  );
  const nginx = spawn("nginx", ["-p", folder, "-c", join(folder, "nginx.conf")], { stdio: "ignore" });
  const ended = once(nginx, "close");
  const isUp = () =>
    new Promise<boolean>((resolve) => {
      const socket = connect(socketPath, () => resolve(true)).on("error", () => resolve(false));
      socket.once("connect", () => socket.destroy());
    });
  try {
    await waitFor("nginx", isUp);
    await using proxy = await front("http://site.test", { unix: socketPath });
    const curl = (...args: readonly string[]) =>
      new Promise<Buffer>((resolve, reject) => {
        const child = spawn("curl", ["--silent", "--show-error", "--max-time", "30", ...args]);
        collect(child.stdout).then(resolve, reject);
      });
    const url = `http://127.0.0.1:${proxy.port}`;
    const name = path.slice(folder.length);
    assertBytes(await curl(url + name), content);
    assertBytes(await curl("--compressed", url + name), content);
    assertBytes(await curl("--range", "1000-1999", url + name), content.subarray(1000, 2000));
    assert.is((await curl(`${url}/told`)).toString(), "127.0.0.1 site.test");
    assert.match((await curl("--head", `${url}/moved`)).toString(), "301");
    const tag = /^etag: (.*)\r$/im.exec((await curl("--head", url + name)).toString())?.[1] ?? "";
    const again = await curl("--head", "--header", `If-None-Match: ${tag}`, url + name);
    assert.match(again.toString(), /^HTTP\/1\.1 304 /);
    assert.ok(await settles(() => proxy.errors.length === 0));
  } finally {
    nginx.kill();
    await ended;
  }
});
