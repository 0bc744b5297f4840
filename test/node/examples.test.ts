/** The servers in examples/, each on its own runtime, as curl sees them. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { dataFile, MiB } from "../contract/support/files.ts";
import { collect, sha256 } from "../support/data.ts";
import { root } from "../support/root.ts";
import { candidates, locate } from "../support/runtimes.ts";
import { tempFolder } from "../support/temp.ts";
import { settles } from "../support/wait.ts";

const test = suite("examples");

/** Node 20 can't run TypeScript; the others run what is in the repository. */
const scripts: Readonly<Record<string, string>> = {
  node: "build/examples/node-file-server.js",
  bun: "examples/bun-file-server.ts",
  deno: "examples/deno-file-server.ts",
};

const outside = tempFolder();
const folder = join(outside, "public");
fs.mkdirSync(folder);
const { path, content } = dataFile(folder, 32 * MiB);
const name = path.slice(folder.length + 1);
fs.writeFileSync(join(folder, "small.txt"), "small");
fs.writeFileSync(join(outside, "secret.txt"), "secret");
fs.symlinkSync(join(outside, "secret.txt"), join(folder, "link.txt"));

interface Server extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly process: ChildProcess;
  openFds(): number;
  /** What has been said on stderr. */
  told(): string;
}

/** An example at work, once it has told its address. */
async function serve(
  script: string,
  command: readonly [string, ...string[]],
  args: readonly string[] = [folder, "0"],
  env: Readonly<Record<string, string>> = {},
): Promise<Server> {
  const [program, ...options] = command;
  const child = spawn(program, [...options, join(root, script), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  let complaints = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (complaints += text));
  const ended = once(child, "close");
  const url = await Promise.race([
    once(child.stdout.setEncoding("utf8"), "data").then(([text]) => String(text).trim()),
    ended.then(() => Promise.reject(new Error(`${script} ended: ${complaints}`))),
  ]);
  return {
    url,
    port: Number(new URL(url).port),
    process: child,
    told: () => complaints,
    openFds: () => fs.readdirSync(`/proc/${child.pid}/fd`).length,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

const options = ["--silent", "--show-error", "--path-as-is", "--max-time", "20"];
const run = promisify(execFile);

const curl = async (...args: readonly string[]): Promise<string> =>
  (await run("curl", [...options, ...args], { encoding: "latin1", maxBuffer: 64 * MiB })).stdout;

const statusOf = (url: string): Promise<string> => curl("--output", "/dev/null", "--write-out", "%{http_code}", url);

/** Sends raw bytes, ends, and answers all that comes back. */
async function exchange(port: number, text: string): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.end(text);
  return (await collect(socket)).toString("latin1");
}

/** Reads the beginning of a large answer and breaks the connection off. */
async function abort(port: number): Promise<void> {
  const socket = connect({ port, host: "127.0.0.1" });
  socket.write(`GET /${name} HTTP/1.1\r\n\r\n`);
  await once(socket, "data");
  socket.resetAndDestroy();
  await once(socket, "close");
}

for (const candidate of candidates.usual) {
  const script = scripts[candidate.name] ?? "";
  const start = async (): Promise<Server> => serve(script, (await locate(candidate)).command);

  test(`${script} is under 40 lines`, () => {
    const source = join(root, "examples", `${candidate.name}-file-server.ts`);
    assert.ok(fs.readFileSync(source, "utf8").trimEnd().split("\n").length < 40);
  });

  test(`${script} sends files whole, several on one connection`, async () => {
    await using server = await start();
    const body = await curl(`${server.url}/${name}`);
    assert.is(sha256(Buffer.from(body, "latin1")), sha256(content));
    const twice = await curl(`${server.url}/small.txt`, `${server.url}/small.txt`, "--write-out", "%{num_connects}");
    assert.is(twice, "small1small0");
  });

  test(`${script} answers 404, 405 and 400 and goes on`, async () => {
    await using server = await start();
    assert.is(await statusOf(`${server.url}/nothing`), "404");
    assert.is(await statusOf(`${server.url}/`), "404");
    assert.is(await statusOf(`${server.url}/%zz`), "400");
    assert.match(await exchange(server.port, "POST /small.txt HTTP/1.1\r\n\r\n"), /^HTTP\/1\.1 405 /);
    assert.is(await statusOf(`${server.url}/small.txt`), "200");
  });

  test(`${script} lets nobody out of its folder`, async () => {
    await using server = await start();
    const ways = [
      "/../secret.txt",
      "/%2e%2e/secret.txt",
      "/..%2fsecret.txt",
      "/x/../../secret.txt",
      "/link.txt",
      "//etc/passwd",
    ];
    for (const way of ways) assert.is(await statusOf(server.url + way), "404", way);
  });

  test(`${script} keeps a connection, or ends it, as the client asked`, async () => {
    await using server = await start();
    const request = (fields = "") => `GET /small.txt HTTP/1.1\r\nHost: localhost\r\n${fields}\r\n`;
    const count = (text: string) => text.split("\r\n\r\nsmall").length - 1;
    const pipelined = await exchange(server.port, request().repeat(3));
    assert.is(count(pipelined), 3);
    assert.not.match(pipelined, /Connection: close/);
    const closed = await exchange(server.port, request("Connection: close\r\n") + request());
    assert.is(count(closed), 1);
    assert.match(closed, /Connection: close/);
    assert.match(await exchange(server.port, "GET /small.txt HTTP/1.0\r\n\r\n"), /Connection: close/);
    assert.is(
      await curl("--head", "--output", "/dev/null", "--write-out", "%header{content-length}", `${server.url}/${name}`),
      String(content.length),
    );
  });

  test(`${script} outlives clients that abort, and keeps no descriptor of theirs`, async () => {
    await using server = await start();
    for (let i = 0; i < 5; i++) await abort(server.port);
    await statusOf(`${server.url}/${name}`);
    // What the runtime and the engine open once and keep is open by now, when it has come to rest.
    let before = server.openFds();
    await settles(() => before === (before = server.openFds()));
    for (let i = 0; i < 20; i++) await abort(server.port);
    // A runtime may open one more for itself at any time; what is lost here would be lost each time.
    assert.ok(await settles(() => server.openFds() < before + 10), `${server.openFds()} open, ${before} before`);
    assert.is(server.process.exitCode, null);
    assert.is(sha256(Buffer.from(await curl(`${server.url}/${name}`), "latin1")), sha256(content));
  });
}

for (const example of ["map-and-write", "transfer-to"]) {
  for (const candidate of candidates.usual) {
    const script = candidate.name === "node" ? `build/examples/${example}.js` : `examples/${example}.ts`;
    test(`${script} copies a file on ${candidate.name}`, async () => {
      const target = join(tempFolder(), "copy");
      // The old content is longer at no place: neither program cuts its target.
      fs.writeFileSync(target, "old");
      const [program, ...args] = (await locate(candidate)).command;
      await run(program, [...args, join(root, script), path, target]);
      assert.is(sha256(fs.readFileSync(target)), sha256(content));
    });
  }
}

for (const candidate of candidates.usual) {
  const start = async (example: string, ...args: readonly string[]) =>
    serve(`build/examples/${example}.js`, (await locate(candidate)).command, args);

  test(`the upload example stores files whole, or not at all, on ${candidate.name}`, async () => {
    const store = tempFolder();
    await using server = await start("upload", store, "0");
    const answer = await curl("--upload-file", path, `${server.url}film.mp4`);
    assert.is(answer, `${content.length} bytes\n`);
    assert.is(sha256(fs.readFileSync(join(store, "film.mp4"))), sha256(content));
    for (const bad of ["..%2fsecret.txt", ".hidden", "a/b"])
      assert.is(await curl("--upload-file", path, "--write-out", "%{http_code}", `${server.url}${bad}`), "400");
    const socket = connect({ port: server.port, host: "127.0.0.1" });
    socket.write(`PUT /film.mp4 HTTP/1.1\r\nHost: x\r\nContent-Length: ${MiB}\r\n\r\n${"x".repeat(100_000)}`);
    socket.end();
    await collect(socket);
    assert.ok(await settles(() => fs.readdirSync(store).length === 1));
    assert.is(sha256(fs.readFileSync(join(store, "film.mp4"))), sha256(content));
  });

  test(`the example of a reverse proxy serves files, and passes the rest on, on ${candidate.name}`, async () => {
    const upstream = createServer((request, response) => {
      void collect(request).then((body) => response.end(`${request.method} ${request.url} ${sha256(body)}`));
    });
    upstream.listen(0, "127.0.0.1");
    await once(upstream, "listening");
    const { port } = upstream.address() as AddressInfo;
    await using server = await start("reverse-proxy", folder, "0", `http://127.0.0.1:${port}`);
    assert.is(await curl(`${server.url}small.txt`), "small");
    assert.is(await curl(`${server.url}api/a?b`), `GET /a?b ${sha256(Buffer.alloc(0))}`);
    assert.is(await curl("--upload-file", path, `${server.url}api/a`), `PUT /a ${sha256(content)}`);
    upstream.close();
    upstream.closeAllConnections();
    assert.is(await statusOf(`${server.url}api/a`), "502");
  });
}

/** An example of plain node:http, under the preload, which tells which way its bytes go. */
const preloaded = (example: string, ...args: readonly string[]) =>
  serve(`build/examples/${example}.js`, [process.execPath, "--import", "sluice/register"], args, { SLUICE_DEBUG: "1" });

/** Begins an upload, sends some bytes of it, and breaks off. */
async function breakOff({ port }: Server, head: string, body: Buffer): Promise<void> {
  const socket = connect({ port, host: "127.0.0.1" });
  socket.write(`PUT /film.mp4 HTTP/1.1\r\nHost: x\r\n${head}\r\n\r\n`);
  socket.end(body);
  await once(socket.resume(), "close");
}

const past = /^sluice: IncomingMessage: (\d+) bytes by splice: /m;

test("the example of uploads with resume goes on where a client broke off, and shows nothing before the end", async () => {
  const store = tempFolder();
  await using server = await preloaded("resumable-upload", store, "0");
  const url = `${server.url}film.mp4`;
  const { length } = content;
  const offset = async (): Promise<number> => {
    const told = await curl(
      "--head",
      "--output",
      "/dev/null",
      "--write-out",
      "%{http_code} %header{upload-offset}",
      url,
    );
    assert.match(told, /^204 \d+$/);
    return Number(told.slice(4));
  };
  assert.is(await statusOf(url), "405");
  assert.is(await curl("--head", "--output", "/dev/null", "--write-out", "%{http_code}", url), "404");
  await breakOff(server, `Content-Length: ${length}`, content.subarray(0, 10 * MiB));
  assert.ok(await settles(async () => (await offset()) === 10 * MiB), "what has come is kept");
  const rest = `Content-Range: bytes ${10 * MiB}-${length - 1}/${length}\r\nContent-Length: ${length - 10 * MiB}`;
  await breakOff(server, rest, content.subarray(10 * MiB, 20 * MiB));
  assert.ok(await settles(async () => (await offset()) === 20 * MiB), "and what has come behind it");
  assert.equal(fs.readdirSync(store), [".film.mp4.part"]);

  const upload = (...more: readonly string[]) =>
    curl("--upload-file", path, "--output", "/dev/null", "--write-out", "%{http_code}", ...more, url);
  assert.is(await upload("--continue-at", String(MiB)), "409");
  assert.is(await upload("--header", "Content-Range: bytes 0-9/10"), "400");
  assert.is(await offset(), 20 * MiB);
  assert.is(await upload("--continue-at", String(await offset())), "201");
  assert.equal(fs.readdirSync(store), ["film.mp4"]);
  assert.is(sha256(fs.readFileSync(join(store, "film.mp4"))), sha256(content));
  assert.is(
    await curl("--head", "--output", "/dev/null", "--write-out", "%{http_code} %header{content-length}", url),
    `200 ${length}`,
  );
  assert.match(server.told(), past);
  for (const bad of ["..%2fsecret.txt", ".film.mp4.part", "a/b"]) assert.is(await statusOf(server.url + bad), "400");
});

test("the example of http-proxy passes bodies on past JavaScript, and tells each end that the other has gone", async () => {
  let open = 0;
  const upstream = createServer((request, response) => {
    open++;
    response.on("close", () => open--);
    if (request.url === "/broken") {
      response.writeHead(200, { "content-length": content.length }).write(content.subarray(0, 10 * MiB), () => {
        response.destroy();
      });
    } else if (request.method === "GET") response.setHeader("content-length", content.length).end(content);
    else void collect(request).then((body) => response.end(sha256(body)));
  }).listen(0, "127.0.0.1");
  await once(upstream, "listening");
  const { port } = upstream.address() as AddressInfo;
  await using server = await preloaded("http-proxy", `http://127.0.0.1:${port}`, "0");
  const ways = () =>
    server
      .told()
      .split("\n")
      .filter((line) => past.test(line)).length;
  assert.is(sha256(Buffer.from(await curl(`${server.url}film.mp4`), "latin1")), sha256(content));
  assert.ok(await settles(() => ways() === 1), server.told());
  assert.is(await curl("--upload-file", path, `${server.url}film.mp4`), sha256(content));
  assert.ok(await settles(() => ways() === 2), server.told());
  const broken = await curl(`${server.url}broken`).then(
    () => 0,
    (error: { readonly code: number }) => error.code,
  );
  assert.is(broken, 18, "curl: transfer closed with outstanding read data remaining");
  await abort(server.port);
  assert.ok(await settles(() => open === 0), `${open} answers of the upstream are open`);
  upstream.close();
  upstream.closeAllConnections();
  assert.is(await statusOf(`${server.url}film.mp4`), "502");
});

for (const candidate of candidates.usual)
  test(`the example of an object store keeps objects whole, or not at all, on ${candidate.name}`, async () => {
    const store = tempFolder();
    const { command } = await locate(candidate);
    await using server = await serve("build/examples/object-storage.js", command, [store, "0"]);
    const key = `${server.url}films/a%20b/.film.mp4`;
    const put = await curl(
      "--upload-file",
      path,
      "--output",
      "/dev/null",
      "--write-out",
      "%{http_code} %header{etag}",
      key,
    );
    assert.match(put, /^201 (W\/)?"[^"]+"$/);
    const etag = put.slice(4);
    assert.is(sha256(Buffer.from(await curl(key), "latin1")), sha256(content));
    assert.is(await curl("--range", "1000-1999", key), content.toString("latin1", 1000, 2000));
    const head = [
      "--head",
      "--output",
      "/dev/null",
      "--write-out",
      "%{http_code} %header{content-length} %header{etag}",
    ];
    assert.is(await curl(...head, key), `200 ${content.length} ${etag}`);
    assert.is(await curl("--header", `If-None-Match: ${etag}`, "--write-out", "%{http_code}", key), "304");

    // Another object, and not a compressed form of this one; nothing but UTF-8, and no name that is too long.
    await curl("--upload-file", path, `${key}.gz`);
    const plain = [
      "--header",
      "Accept-Encoding: gzip",
      "--output",
      "/dev/null",
      "--write-out",
      "%header{content-encoding}",
    ];
    assert.is(await curl(...plain, key), "");
    for (const bad of ["", "%ff", "x".repeat(201)]) assert.is(await statusOf(server.url + bad), "400");

    const socket = connect({ port: server.port, host: "127.0.0.1" });
    socket.end(
      `PUT ${new URL(key).pathname} HTTP/1.1\r\nHost: x\r\nContent-Length: ${MiB}\r\n\r\n${"x".repeat(100_000)}`,
    );
    await collect(socket);
    assert.ok(await settles(() => fs.readdirSync(store).length === 2), String(fs.readdirSync(store)));
    assert.is(await curl(...head, key), `200 ${content.length} ${etag}`);
    for (const object of [key, `${key}.gz`, key])
      assert.is(await curl("--request", "DELETE", "--write-out", "%{http_code}", object), "204");
    assert.is(await statusOf(key), "404");
    assert.equal(fs.readdirSync(store), []);
  });

test.run();
