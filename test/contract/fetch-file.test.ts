/** `file()` of sluice/fetch as a function from Request to Response: statuses, headers, variants. */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { file, type FileOptions } from "sluice/fetch";
import { assert, test } from "../support/contract.ts";
import { tempFolder } from "../support/temp.ts";
import { ask, bytesOf, origin } from "./support/fetch.ts";
import { assertBytes, data } from "./support/files.ts";
import { rejection } from "./support/outcome.ts";

/** A folder with one text file of a known time, a day old. */
function site(): { root: string; text: string; date: string } {
  const root = tempFolder();
  const text = "Hello, wörld\n";
  fs.writeFileSync(join(root, "hello.txt"), text);
  const mtime = new Date(Math.floor(Date.now() / 1000 - 86_400) * 1000);
  fs.utimesSync(join(root, "hello.txt"), mtime, mtime);
  return { root, text, date: mtime.toUTCString() };
}

const header = (response: Response, name: string): string | null => response.headers.get(name);

test("file() answers with the content and what describes it", {}, async () => {
  const { root, text, date } = site();
  const response = await ask("/hello.txt", { root });
  assert.is(response.status, 200);
  assert.is(await response.text(), text);
  assert.is(header(response, "content-length"), String(Buffer.byteLength(text)));
  assert.is(header(response, "content-type"), "text/plain; charset=utf-8");
  assert.is(header(response, "last-modified"), date);
  assert.match(header(response, "etag") ?? "", /^W\/"e-[0-9a-f]+"$/);
  assert.is(header(response, "accept-ranges"), "bytes");
  assert.is(header(response, "cache-control"), "public, max-age=0");
  assert.is(header(response, "vary"), null);
});

test("file() takes the root as a URL, and a path without a slash", {}, async () => {
  const { root, text } = site();
  assert.is(await (await ask("hello.txt", { root: pathToFileURL(root) })).text(), text);
});

test("file() answers HEAD with the same headers and no body", {}, async () => {
  const { root } = site();
  const whole = await ask("/hello.txt", { root });
  const head = await ask("/hello.txt", { root }, { method: "HEAD", headers: { range: "bytes=0-1" } });
  assert.is(head.status, 200);
  assert.is(head.body, null);
  assert.equal([...head.headers], [...whole.headers]);
  await whole.body?.cancel();
});

const types: readonly (readonly [string, string])[] = [
  ["a.html", "text/html; charset=utf-8"],
  ["a.js", "text/javascript; charset=utf-8"],
  ["a.json", "application/json; charset=utf-8"],
  ["a.svg", "image/svg+xml"],
  ["a.wasm", "application/wasm"],
  ["a.mp4", "video/mp4"],
  ["a.unheard-of", "application/octet-stream"],
  ["a", "application/octet-stream"],
];

test("file() names the type by the ending, and UTF-8 for text", {}, async () => {
  const root = tempFolder();
  for (const [name, type] of types) {
    fs.writeFileSync(join(root, name), "");
    const response = await ask(`/${name}`, { root });
    assert.is(header(response, "content-type"), type, name);
    assert.is(header(response, "content-length"), "0");
    assert.is(await response.text(), "");
  }
});

test("file() refuses other methods with 405 and the ones it knows", {}, async () => {
  const { root } = site();
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
    const response = await ask("/hello.txt", { root }, { method });
    assert.is(response.status, 405, method);
    assert.is(header(response, "allow"), "GET, HEAD");
  }
});

test("file() heeds maxAge, immutable, headers and download", {}, async () => {
  const { root } = site();
  const headers = { "x-frame-options": "DENY", "content-type": "text/x-mine", vary: "origin" };
  const response = await ask("/hello.txt", { root, maxAge: 60, immutable: true, headers, download: true });
  assert.is(header(response, "cache-control"), "public, max-age=60, immutable");
  assert.is(header(response, "x-frame-options"), "DENY");
  assert.is(header(response, "content-type"), "text/x-mine");
  assert.is(header(response, "vary"), "origin");
  assert.is(header(response, "content-disposition"), "attachment; filename=hello.txt");
  await response.body?.cancel();
  const named = await ask("/hello.txt", { root, download: "Grüße €.txt" }, { method: "HEAD" });
  assert.match(header(named, "content-disposition") ?? "", /filename\*=UTF-8''Gr%C3%BC%C3%9Fe%20%E2%82%AC\.txt/);
});

test("file() rejects options of a wrong type", {}, async () => {
  const { root } = site();
  const wrong: readonly unknown[] = [{}, { root: 3 }, { root, maxAge: -1 }, { root, maxAge: "1d" }];
  for (const options of wrong) {
    const { code } = await rejection(() => ask("/hello.txt", options as FileOptions));
    assert.match(code ?? "", /^ERR_INVALID_ARG_/);
  }
});

test("file() answers a folder by its index, after a redirect to the URL with a slash", {}, async () => {
  const { root } = site();
  fs.mkdirSync(join(root, "sub dir"));
  fs.writeFileSync(join(root, "sub dir/index.html"), "the index");
  fs.writeFileSync(join(root, "sub dir/main.htm"), "another");
  const at = (url: string, options: FileOptions) => {
    const asked = new Request(origin + url);
    return file(asked, new URL(asked.url).pathname, options);
  };
  const whole = await at("/sub%20dir/", { root });
  assert.is(await whole.text(), "the index");
  assert.is(header(whole, "content-type"), "text/html; charset=utf-8");
  assert.is(await (await at("/sub%20dir/", { root, index: "main.htm" })).text(), "another");
  const redirect = await at("/sub%20dir?q=1", { root });
  assert.is(redirect.status, 301);
  assert.is(header(redirect, "location"), "./sub%20dir/?q=1");
  assert.is((await at("//sub%20dir", { root })).headers.get("location"), "./sub%20dir/");
  // Where URLs are mapped to paths in some other way, there is nothing to redirect to.
  assert.is(await (await file(new Request(`${origin}/app/`), "/sub%20dir", { root })).text(), "the index");
  for (const url of ["/", "/sub%20dir/none/", "/hello.txt/", "/hello.txt/index.html"])
    assert.is((await at(url, { root })).status, 404, url);
  assert.is((await at("/sub%20dir/", { root, index: false })).status, 404);
  assert.is((await at("/sub%20dir", { root, index: false })).status, 404);
});

test("file() answers 304 to those who have it already", {}, async () => {
  const { root, date } = site();
  const first = await ask("/hello.txt", { root, maxAge: 9 }, { method: "HEAD" });
  const etag = header(first, "etag") ?? "";
  const known: readonly Record<string, string>[] = [
    { "if-none-match": etag },
    { "if-none-match": `"x", ${etag.replace("W/", "")}` },
    { "if-none-match": "*" },
    { "if-modified-since": date },
    { "if-modified-since": new Date().toUTCString() },
    { "if-none-match": etag, "if-modified-since": new Date(0).toUTCString() },
    { "if-none-match": etag, range: "bytes=0-1" },
  ];
  for (const headers of known)
    for (const method of ["GET", "HEAD"]) {
      const response = await ask("/hello.txt", { root, maxAge: 9 }, { method, headers });
      assert.is(response.status, 304, JSON.stringify(headers));
      assert.is(response.body, null);
      assert.is(header(response, "etag"), etag);
      assert.is(header(response, "last-modified"), date);
      assert.is(header(response, "cache-control"), "public, max-age=9");
      for (const name of ["content-length", "content-type", "content-range"]) assert.is(header(response, name), null);
    }
  const unknown: readonly Record<string, string>[] = [
    { "if-none-match": '"x"' },
    { "if-modified-since": new Date(0).toUTCString() },
    { "if-modified-since": "nonsense" },
    { "if-none-match": '"x"', "if-modified-since": date },
    { "if-none-match": etag, "cache-control": "no-cache" },
  ];
  for (const headers of unknown) {
    const response = await ask("/hello.txt", { root }, { method: "HEAD", headers });
    assert.is(response.status, 200, JSON.stringify(headers));
  }
});

test("file() answers 412 where a precondition fails", {}, async () => {
  const { root, date } = site();
  const etag = header(await ask("/hello.txt", { root }, { method: "HEAD" }), "etag") ?? "";
  const cases: readonly (readonly [Record<string, string>, number])[] = [
    [{ "if-match": "*" }, 200],
    [{ "if-match": '"x"' }, 412],
    // Weak tags never match strongly.
    [{ "if-match": etag }, 412],
    [{ "if-unmodified-since": date }, 200],
    [{ "if-unmodified-since": new Date(0).toUTCString() }, 412],
    [{ "if-unmodified-since": "nonsense" }, 200],
    [{ "if-match": "*", "if-unmodified-since": new Date(0).toUTCString() }, 200],
    [{ "if-match": '"x"', "if-none-match": etag }, 412],
  ];
  for (const [headers, status] of cases) {
    const response = await ask("/hello.txt", { root }, { headers });
    assert.is(response.status, status, JSON.stringify(headers));
    await response.body?.cancel();
  }
});

test("file() prefers compressed siblings by Accept-Encoding, each with its own tag", {}, async () => {
  const root = tempFolder();
  const content = data(5000);
  const [name, path] = ["/data.js", join(root, "data.js")];
  fs.writeFileSync(path, content);
  fs.writeFileSync(`${path}.gz`, gzipSync(content));
  fs.writeFileSync(`${path}.br`, "brotli");
  const get = (accept: string | undefined, method = "GET") =>
    ask(name, { root }, { method, headers: accept === undefined ? {} : { "accept-encoding": accept } });
  const cases: readonly (readonly [string | undefined, string | null])[] = [
    [undefined, null],
    ["gzip, deflate", "gzip"],
    ["gzip, deflate, br, zstd", "br"],
    ["br;q=0.5, gzip", "gzip"],
    ["*", "br"],
    ["*;q=0.1, identity", null],
    ["gzip;q=0, br;q=0", null],
    ["zstd", null],
    ["identity, gzip;q=0.5", null],
    ["nonsense;;q=x", null],
  ];
  const tags = new Map<string | null, string | null>();
  for (const [accept, coding] of cases) {
    const response = await get(accept, "HEAD");
    assert.is(header(response, "content-encoding"), coding, accept);
    assert.is(header(response, "vary"), "accept-encoding", accept);
    assert.is(header(response, "content-type"), "text/javascript; charset=utf-8");
    tags.set(coding, header(response, "etag"));
  }
  assert.is(new Set(tags.values()).size, 3);
  assertBytes(await bytesOf(await get("gzip")), gzipSync(content));
  const part = await ask(name, { root }, { headers: { "accept-encoding": "br", range: "bytes=2-4" } });
  assert.is(await part.text(), "otl");
  // A compressed file itself is no variant of anything, and has none.
  fs.writeFileSync(`${path}.gz.br`, "twice");
  const itself = await ask(`${name}.gz`, { root }, { headers: { "accept-encoding": "br" } });
  assert.is(header(itself, "content-encoding"), null);
  assertBytes(await bytesOf(itself), gzipSync(content));
});

test("file() says that it varies as soon as any sibling is there", {}, async () => {
  const { root } = site();
  fs.writeFileSync(join(root, "hello.txt.zst"), "zstd");
  const plain = await ask("/hello.txt", { root }, { method: "HEAD" });
  assert.is(header(plain, "vary"), "accept-encoding");
  const zstd = await ask("/hello.txt", { root }, { headers: { "accept-encoding": "zstd, gzip" } });
  assert.is(header(zstd, "content-encoding"), "zstd");
  assert.is(await zstd.text(), "zstd");
});

test("file() neither serves nor waits for a FIFO, a socket or a device", { timeoutMs: 10_000 }, async () => {
  const root = tempFolder();
  execFileSync("mkfifo", [join(root, "fifo"), join(root, "hello.gz")]);
  fs.writeFileSync(join(root, "hello"), "hello");
  fs.symlinkSync("/dev/zero", join(root, "zero"));
  assert.is((await ask("/fifo", { root })).status, 404);
  assert.is((await ask("/zero", { root })).status, 404);
  assert.is((await ask("/zero", { root: "/dev" })).status, 404);
  assert.is((await ask("/tty", { root: "/dev" })).status, 404);
  const plain = await ask("/hello", { root }, { headers: { "accept-encoding": "gzip" } });
  assert.is(await plain.text(), "hello");
});

/** They say that they have a page, or nothing. */
const madeUp = ["/sys/class/net/lo/mtu", "/proc/sys/kernel/ostype"] as const;

for (const path of madeUp)
  test(`file() answers with what ${path} has, whatever its size says`, {}, async () => {
    const content = fs.readFileSync(path);
    const name = `/${path.split("/").at(-1)}`;
    const root = path.slice(0, -name.length);
    const whole = await ask(name, { root });
    assert.is(header(whole, "content-length"), String(content.length));
    assertBytes(await bytesOf(whole), content);
    const part = await ask(name, { root }, { headers: { range: "bytes=1-2" } });
    assert.is(part.status, 206);
    assertBytes(await bytesOf(part), content.subarray(1, 3));
    const head = await ask(name, { root }, { method: "HEAD" });
    assert.is(header(head, "content-length"), String(content.length));
    assert.is(head.body, null);
  });

test("file() takes a hole for what it is", {}, async () => {
  const { root } = site();
  fs.writeFileSync(join(root, "hole"), "");
  fs.truncateSync(join(root, "hole"), 200_000);
  assertBytes(await bytesOf(await ask("/hole", { root })), Buffer.alloc(200_000));
  fs.truncateSync(join(root, "hole"), 0);
  assert.is((await bytesOf(await ask("/hole", { root }))).length, 0);
});

test("file() rejects where the first read does, before it has answered", {}, async () => {
  const error = await rejection(() => ask("/mem", { root: "/proc/self" }));
  assert.is((error as NodeJS.ErrnoException).code, "EIO");
});
