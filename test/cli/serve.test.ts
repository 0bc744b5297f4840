import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { collect, randomBytes, sha256 } from "../support/data.ts";
import { tempFile, tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { cli } from "./cli.ts";
import { connectTo, endServers, failToServe, get, runtimes, type Serving, startServe, statusOf } from "./serving.ts";

const large = randomBytes(32 * 2 ** 20);
const awkward = `50% "a<b>" & 'c' #1?.txt`;

function makeSite(): string {
  const site = tempFolder();
  mkdirSync(join(site, "folder/inner"), { recursive: true });
  mkdirSync(join(site, "page"));
  writeFileSync(join(site, "large.bin"), large);
  writeFileSync(join(site, "page/index.html"), "<p>page</p>");
  writeFileSync(join(site, "folder", awkward), "awkward");
  for (const name of ["b2.txt", "b10.txt", ".secret"]) writeFileSync(join(site, "folder", name), name);
  symlinkSync("/etc", join(site, "folder/etc"));
  symlinkSync("/etc/passwd", join(site, "folder/passwd"));
  symlinkSync("b2.txt", join(site, "folder/link.txt"));
  return site;
}

const site = makeSite();
const single = tempFolder();
writeFileSync(join(single, "index.html"), "<p>application</p>");

test.after.each(endServers);

for (const runtime of runtimes) {
  const { name } = runtime;

  test(`serve sends files, ranges and heads (${name})`, async () => {
    const serving = await startServe(runtime, site);
    const whole = await fetch(`${serving.url}large.bin`);
    assert.is(whole.status, 200);
    assert.is(whole.headers.get("x-content-type-options"), "nosniff");
    assert.is(sha256(new Uint8Array(await whole.arrayBuffer())), sha256(large));
    const part = await fetch(`${serving.url}large.bin`, { headers: { range: "bytes=1000-1999" } });
    assert.is(part.status, 206);
    assert.is(sha256(new Uint8Array(await part.arrayBuffer())), sha256(large.subarray(1000, 2000)));
    const head = await fetch(`${serving.url}large.bin`, { method: "HEAD" });
    assert.is(head.headers.get("content-length"), String(large.length));
    assert.is(await (await fetch(`${serving.url}page/`)).text(), "<p>page</p>");
    assert.is((await fetch(`${serving.url}missing`)).status, 404);
    assert.is((await fetch(`${serving.url}folder/`)).status, 404);
  });

  test(`--listing shows a folder, and nothing that it would not send (${name})`, async () => {
    const serving = await startServe(runtime, site, "--listing");
    const answer = await fetch(`${serving.url}folder`);
    assert.is(answer.url, `${serving.url}folder/`);
    assert.match(answer.headers.get("content-security-policy") ?? "", "default-src 'none'");
    assert.is(answer.headers.get("content-type"), "text/html; charset=utf-8");
    const page = await answer.text();
    const links = [...page.matchAll(/<li class="\w+"><a href="([^"]*)"/g)].map(([, link]) => link);
    // The collation of people: punctuation, then digits before letters, and 2 before 10.
    assert.equal(links, ["../", "inner/", encodeURIComponent(awkward), "b2.txt", "b10.txt", "link.txt"]);
    assert.match(page, "50% &quot;a&lt;b&gt;&quot; &amp; &#39;c&#39; #1?.txt");
    assert.not.match(page, "a<b>");
    assert.not.match(page, /(?:src|href)="(?:https?:)?\/\//);
    assert.is(await (await fetch(`${serving.url}folder/${encodeURIComponent(awkward)}`)).text(), "awkward");
    for (const path of ["folder/etc/", "folder/passwd", "folder/.secret", "folder/b2.txt/"])
      assert.is((await fetch(serving.url + path)).status, 404, path);
    // No other host, whatever the path begins with.
    assert.match(await get(serving, "//folder"), /\r\nlocation: \.\/folder\/\r\n/i);
    const head = await fetch(`${serving.url}folder/`, { method: "HEAD" });
    assert.is(head.headers.get("content-length"), answer.headers.get("content-length"));
  });

  test(`--keep-alive-timeout says how long idle connections are kept (${name})`, async () => {
    const short = await startServe(runtime, site, "--keep-alive-timeout", "0.2");
    const usual = await startServe(runtime, site);
    const ask = async (serving: Serving) => {
      const socket = await connectTo(serving);
      socket.write("GET /page/ HTTP/1.1\r\nHost: a\r\n\r\n");
      const [chunk] = (await once(socket, "data")) as [Buffer];
      return { socket, head: chunk.toString() };
    };
    const kept = await ask(usual);
    const { socket } = await ask(short);
    await once(socket.resume(), "close");
    assert.is(kept.socket.destroyed, false);
    assert.match(kept.head, /\r\nkeep-alive: timeout=75\r\n/i);
    kept.socket.destroy();
  });

  test(`serve answers clients that have ended their side: a file, a large one, a folder (${name})`, async () => {
    const serving = await startServe(runtime, site, "--listing");
    const ask = async (path: string) => {
      const socket = connect({ port: serving.port, host: "127.0.0.1", allowHalfOpen: true });
      await once(socket, "connect");
      socket.end(`GET ${path} HTTP/1.0\r\n\r\n`);
      await once(socket, "finish");
      return collect(socket);
    };
    for (let i = 0; i < 5; i++) {
      assert.match((await ask("/page/index.html")).toString(), /<p>page<\/p>$/);
      assert.match((await ask("/folder/")).toString(), /<\/html>\n$/);
    }
    const answer = await ask("/large.bin");
    assert.is(sha256(answer.subarray(-large.length)), sha256(large));
  });

  test(`serve sends and shows /.well-known/, and no other name with a dot (${name})`, async () => {
    const root = tempFolder();
    for (const folder of [".well-known/acme-challenge", ".git"]) {
      mkdirSync(join(root, folder), { recursive: true });
      writeFileSync(join(root, folder, "token"), "token");
    }
    const serving = await startServe(runtime, root, "--listing");
    assert.is(await (await fetch(`${serving.url}.well-known/acme-challenge/token`)).text(), "token");
    assert.is((await fetch(`${serving.url}.git/token`)).status, 404);
    assert.match(await (await fetch(serving.url)).text(), 'href=".well-known/"');
    assert.match(await (await fetch(`${serving.url}.well-known/`)).text(), 'href="acme-challenge/"');
    assert.not.match(await (await fetch(serving.url)).text(), ".git");
    assert.is((await fetch(`${serving.url}.git/`)).status, 404);
  });

  test(`--single answers navigations alone with the application (${name})`, async () => {
    const serving = await startServe(runtime, single, "--single", "--cache", "60");
    const navigation = { "sec-fetch-mode": "navigate", accept: "text/html,*/*;q=0.8" };
    const answer = await get(serving, "/some/route", navigation);
    assert.match(answer, /^HTTP\/1\.1 200 [^]*\r\n\r\n<p>application<\/p>$/);
    assert.match(answer, /\r\ncache-control: public, max-age=0\r\n/i);
    const cases: readonly (readonly [path: string, headers: Record<string, string>, status: number])[] = [
      ["/users/john.doe", navigation, 200],
      ["/some/route", { "sec-fetch-mode": "cors" }, 404],
      ["/missing.png", { "sec-fetch-mode": "no-cors", accept: "image/*" }, 404],
      ["/some/route", { accept: "*/*" }, 200],
      ["/some/route", { accept: "application/json" }, 404],
      ["/missing.js", { accept: "*/*" }, 404],
    ];
    for (const [path, headers, status] of cases)
      assert.is(statusOf(await get(serving, path, headers)), status, `${path} ${JSON.stringify(headers)}`);
    const file = await fetch(`${serving.url}index.html`);
    assert.is(file.headers.get("cache-control"), "public, max-age=60");
  });

  test(`--cors lets other origins read, and methods are those of a file server (${name})`, async () => {
    const serving = await startServe(runtime, site, "--cors");
    const plain = await startServe(runtime, site);
    assert.is((await fetch(`${serving.url}missing`)).headers.get("access-control-allow-origin"), "*");
    assert.is((await fetch(`${plain.url}missing`)).headers.get("access-control-allow-origin"), null);
    const preflight = await fetch(`${serving.url}large.bin`, { method: "OPTIONS" });
    assert.is(preflight.status, 204);
    assert.match(preflight.headers.get("access-control-allow-methods") ?? "", "HEAD");
    for (const method of ["POST", "PUT", "DELETE", "PROPFIND"]) {
      const answer = await fetch(`${plain.url}large.bin`, { method });
      assert.is(answer.status, 405, method);
      assert.is(answer.headers.get("allow"), "GET, HEAD, OPTIONS");
    }
  });

  test(`--json-log writes one object a request, the plain log one line (${name})`, async () => {
    const json = await startServe(runtime, site, "--json-log");
    const plain = await startServe(runtime, site);
    const silent = await startServe(runtime, site, "--quiet");
    for (const { url } of [json, plain, silent]) {
      await (await fetch(`${url}page/index.html?q=%22%0A`, { headers: { "user-agent": 'a "b"' } })).text();
      await (await fetch(`${url}missing`)).text();
    }
    const lines = (text: string) => text.split("\n").slice(0, -1);
    await waitFor("both lines", () => lines(json.stdout()).length === 2 && lines(plain.stdout()).length === 2);
    const [first, second] = lines(json.stdout()).map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.is(first?.["url"], "/page/index.html?q=%22%0A");
    assert.is(first?.["method"], "GET");
    assert.is(first?.["status"], 200);
    assert.is(first?.["bytes"], 11);
    assert.is(first?.["aborted"], false);
    assert.is(first?.["userAgent"], 'a "b"');
    assert.ok(Date.parse(String(first?.["time"])) <= Date.now());
    assert.is(second?.["status"], 404);
    const [line = ""] = lines(plain.stdout());
    assert.match(line, / GET \/page\/index\.html\?q=%22%0A 200 11 \d+\.\d ms$/, line);
    assert.is(silent.stdout(), "");
  });

  test(`serve tells in one line why it can't begin (${name})`, async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const address = taken.address();
    const port = typeof address === "object" && address !== null ? String(address.port) : "";
    const cases: readonly (readonly [args: readonly string[], line: RegExp])[] = [
      [["nothing-here"], /^sluice: Cannot serve nothing-here: no such file or directory \(ENOENT[^\n]*\)\n$/],
      [[tempFile("a file")], /^sluice: Cannot serve [^\n]*: not a directory \(ENOTDIR[^\n]*\)\n$/],
      [[site, "--port", port], /^sluice: Cannot serve [^\n]*: address already in use \(EADDRINUSE, 127[^\n]*\)\n$/],
      [
        [site, "--port", port, "--workers", "2"],
        /^sluice: [^\n]*: address already in use \(EADDRINUSE, 127[^\n]*\)\n$/,
      ],
      [[site, "-q", "--port", "0", "--metrics-port", port], /^sluice: [^\n]*\(EADDRINUSE, 127[^\n]*\)\n$/],
    ];
    for (const [args, line] of cases) {
      const { code, stderr } = await failToServe(runtime, ...args);
      assert.match(stderr, line);
      assert.is(code, 1, stderr);
    }
    taken.close();
  });
}

for (const args of [
  ["--port", "http"],
  ["--port", "65536"],
  ["--cache", "-1"],
  ["--cache", "soon"],
  ["--workers", "0"],
  ["--metrics-port", "x"],
  ["--quiet", "--json-log"],
  ["one", "two"],
])
  test(`serve ${args.join(" ")} exits 2 with one line on stderr`, async () => {
    const end = await cli(["serve", ...args]);
    assert.match(end.stderr, /^sluice: [^\n]+\n$/);
    assert.is(end.code, 2);
  });

test.run();
