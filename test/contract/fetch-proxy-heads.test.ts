/** What of a request and of its answer proxyPass() hands on: fields, paths, statuses. */
import { once } from "node:events";
import * as http from "node:http";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { proxyPass, type ProxyPassOptions } from "sluice/fetch";
import { assert, test } from "../support/contract.ts";
import { collect } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";
import { exchange, request } from "./support/fetch.ts";
import { rejection } from "./support/outcome.ts";
import { type Echo, echo, echoed, fieldsNamed, front, httpUpstream, rawUpstream } from "./support/upstreams.ts";

/** What an upstream is sent where a client sends this. */
async function seen(
  path: string,
  init: http.RequestOptions = {},
  options: ProxyPassOptions = {},
  body?: Uint8Array,
): Promise<Echo> {
  await using upstream = await httpUpstream(echo);
  await using proxy = await front(upstream, options);
  const answer = await request(proxy, path, init, body);
  assert.equal(proxy.errors, []);
  assert.is(answer.status, 200);
  return echoed(answer.body);
}

/** The answer of an upstream that says this, as the client gets it. */
async function answered(text: string | Buffer, init: http.RequestOptions = {}, options: ProxyPassOptions = {}) {
  await using upstream = await rawUpstream((socket) => socket.write(text));
  await using proxy = await front(upstream, options);
  const sent = http.request({ host: "127.0.0.1", port: proxy.port, agent: false, ...init });
  sent.end();
  const [response] = (await once(sent, "response")) as [http.IncomingMessage];
  return { response, body: await collect(response), errors: proxy.errors };
}

test("proxyPass() hands on method, path, query, fields and body", {}, async () => {
  const body = Buffer.from("a=1&b=2");
  const headers = { "x-own": "caf\u00e9", cookie: "a=1; b=2", "content-length": body.length, "accept-encoding": "br" };
  const told = await seen("/a%20b/c?x=%2f&y=1&y=2", { method: "POST", headers }, {}, body);
  assert.is(told.method, "POST");
  assert.is(told.url, "/a%20b/c?x=%2f&y=1&y=2");
  assert.is(told.body, "a=1&b=2");
  assert.equal(fieldsNamed(told, "x-own"), ["caf\u00e9"]);
  assert.equal(fieldsNamed(told, "cookie"), ["a=1; b=2"]);
  assert.equal(fieldsNamed(told, "content-length"), [String(body.length)]);
  assert.equal(fieldsNamed(told, "transfer-encoding"), []);
  assert.equal(fieldsNamed(told, "accept-encoding"), ["br"]);
});

test("proxyPass() keeps the fields of one connection to it, and those that Connection names", {}, async () => {
  const names = ["keep-alive", "proxy-connection", "te", "trailer", "proxy-authorization", "http2-settings", "x-mine"];
  const fields = names.map((name) => `${name}: x\r\n`).join("");
  await using upstream = await httpUpstream(echo);
  await using proxy = await front(upstream);
  const text = await exchange(
    proxy,
    `GET / HTTP/1.1\r\nHost: x\r\nConnection: close, X-Mine,  Upgrade\r\nUpgrade: h2c\r\nExpect: 100-continue\r\n${fields}\r\n`,
  );
  const body = text.slice(text.lastIndexOf("\r\n\r\n") + 4);
  const told = echoed(Buffer.from(body.slice(body.indexOf("{"), body.lastIndexOf("}") + 1)));
  for (const name of [...names, "upgrade", "expect"]) assert.equal(fieldsNamed(told, name), [], name);
  assert.equal(fieldsNamed(told, "connection"), ["keep-alive"]);
});

test("proxyPass() keeps the fields of the upstream's connection to it", {}, async () => {
  const { response, body } = await answered(
    "HTTP/1.1 200 Fine\r\nConnection: close, X-Mine\r\nX-Mine: 1\r\nKeep-Alive: timeout=9\r\nProxy-Authenticate: Basic\r\n" +
      "Trailer: x\r\nX-Kept: 1\r\nSet-Cookie: a=1; Path=/\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\n\r\nok",
    { agent: new http.Agent({ keepAlive: false }), headers: { connection: "keep-alive" } },
  );
  assert.is(response.statusMessage, "Fine");
  for (const name of ["x-mine", "proxy-authenticate", "trailer"]) assert.is(response.headers[name], undefined, name);
  assert.is(response.headers.connection, "keep-alive");
  assert.is.not(response.headers["keep-alive"], "timeout=9");
  assert.is(response.headers["x-kept"], "1");
  assert.equal(response.headers["set-cookie"], ["a=1; Path=/", "b=2"]);
  assert.is(response.headers["content-length"], "2");
  assert.is(body.toString(), "ok");
});

test("proxyPass() tells the upstream who asks, and believes no client", {}, async () => {
  const headers = {
    host: "site.test:8080",
    "x-forwarded-for": "6.6.6.6",
    "x-forwarded-proto": "https",
    "x-forwarded-host": "evil.test",
    "x-forwarded-port": "443",
    "x-real-ip": "6.6.6.6",
    forwarded: "for=6.6.6.6",
  };
  const told = await seen("/", { headers });
  assert.equal(fieldsNamed(told, "x-forwarded-for"), ["127.0.0.1"]);
  assert.equal(fieldsNamed(told, "x-forwarded-proto"), ["http"]);
  assert.equal(fieldsNamed(told, "x-forwarded-host"), ["site.test:8080"]);
  assert.equal(fieldsNamed(told, "forwarded"), ['for=127.0.0.1;host="site.test:8080";proto=http']);
  for (const name of ["x-forwarded-port", "x-real-ip"]) assert.equal(fieldsNamed(told, name), [], name);

  const behind = await seen("/", { headers }, { forwarded: "append" });
  assert.equal(fieldsNamed(behind, "x-forwarded-for"), ["6.6.6.6, 127.0.0.1"]);
  assert.equal(fieldsNamed(behind, "x-forwarded-proto"), ["https"]);
  assert.equal(fieldsNamed(behind, "x-forwarded-host"), ["evil.test"]);
  assert.equal(fieldsNamed(behind, "forwarded"), ['for=6.6.6.6, for=127.0.0.1;host="site.test:8080";proto=http']);

  const off = await seen("/", { headers }, { forwarded: "off" });
  assert.equal(fieldsNamed(off, "x-forwarded-for"), ["6.6.6.6"]);
  assert.equal(fieldsNamed(off, "forwarded"), ["for=6.6.6.6"]);

  const named = await seen("/", { headers }, { clientAddress: "::ffff:1.2.3.4" });
  assert.equal(fieldsNamed(named, "x-forwarded-for"), ["1.2.3.4"]);
  const six = await seen("/", { headers: { host: "x" } }, { clientAddress: "fe80::1%eth0" });
  assert.equal(fieldsNamed(six, "x-forwarded-for"), ["fe80::1"]);
  assert.equal(fieldsNamed(six, "forwarded"), ['for="[fe80::1]";host=x;proto=http']);
});

test("what Connection names is gone before the upstream is told of the client", {}, async () => {
  const told = await seen("/", { headers: { connection: "x-forwarded-for, forwarded, host, content-length" } });
  assert.equal(fieldsNamed(told, "x-forwarded-for"), ["127.0.0.1"]);
  assert.is(fieldsNamed(told, "host").length, 1);
});

test("proxyPass() names the upstream's host, or the client's where it is asked to", {}, async () => {
  await using upstream = await httpUpstream(echo);
  await using one = await front(upstream);
  await using other = await front(upstream, { preserveHost: true });
  const headers = { host: "site.test" };
  assert.equal(fieldsNamed(echoed((await request(one, "/", { headers })).body), "host"), [upstream.url.slice(7)]);
  assert.equal(fieldsNamed(echoed((await request(other, "/", { headers })).body), "host"), ["site.test"]);
});

test("proxyPass() puts paths beneath that of the upstream, and lets none leave it", {}, async () => {
  await using upstream = await httpUpstream(echo);
  const paths: readonly (readonly [string, string, string])[] = [
    ["", "/a/b?c", "/a/b?c"],
    ["/", "//other.test/x", "//other.test/x"],
    ["/base", "/a", "/base/a"],
    ["/base/", "/a", "/base/a"],
    ["/base", "/", "/base/"],
    ["/base", "/a/../b", "/base/b"],
    ["/base", "/../../b", "/base/b"],
    ["/base", "/%2e%2e/b", "/base/b"],
    ["/base", "/a..b/c?d=/../e", "/base/a..b/c?d=/../e"],
    ["", "/..%2fx", "/..%2fx"],
  ];
  for (const [base, asked, got] of paths) {
    await using proxy = await front(upstream.url + base);
    assert.is(echoed((await request(proxy, asked)).body).url, got, `${base} ${asked}`);
  }
  await using proxy = await front(`${upstream.url}/base`);
  for (const path of ["/..%2fx", "/a/..%2F..%2fx", "/%2e.%5cx", "/..;/x", "/a/..%3bb/x", "/..%5C"])
    assert.is((await request(proxy, path)).status, 400, path);
});

test("proxyPass() asks for another path where it is given one", {}, async () => {
  assert.is((await seen("/api/a?b", {}, { path: "/a?b=1" })).url, "/a?b=1");
  assert.is((await seen("/api/a?b", {}, { path: "/x/../\u00fc" })).url, "/%C3%BC");
});

test("proxyPass() reaches an upstream on a Unix socket", {}, async () => {
  const unix = join(tempFolder(), "socket");
  await using upstream = await httpUpstream(echo, { path: unix });
  assert.is(upstream.port, 0);
  await using proxy = await front("http://app.test/base", { unix });
  const told = echoed((await request(proxy, "/a")).body);
  assert.is(told.url, "/base/a");
  assert.equal(fieldsNamed(told, "host"), ["app.test"]);
});

test("proxyPass() leaves bodies in their coding, redirects alone, and 1xx behind", {}, async () => {
  const body = gzipSync("hello ".repeat(100));
  const zipped = await answered(
    Buffer.concat([
      Buffer.from(`HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nETag: "a"\r\nContent-Length: ${body.length}\r\n\r\n`),
      body,
    ]),
  );
  assert.is(zipped.response.headers["content-encoding"], "gzip");
  assert.is(zipped.response.headers.etag, '"a"');
  assert.is(Buffer.compare(zipped.body, body), 0);
  // What is said of it may be wrong: that, too, is the upstream's.
  const plain = await answered("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nplain");
  assert.is(plain.response.headers["content-encoding"], "gzip");
  assert.is(plain.body.toString(), "plain");

  const moved = await answered("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/x\r\nContent-Length: 0\r\n\r\n");
  assert.is(moved.response.statusCode, 302);
  assert.is(moved.response.headers.location, "http://127.0.0.1:1/x");
  const hinted = await answered(
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
  );
  assert.is(hinted.response.statusCode, 200);
  assert.is(hinted.body.toString(), "ok");
});

test("proxyPass() hands on answers without a body, and the connection goes on", {}, async () => {
  const heads = [
    ["HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nContent-Encoding: br\r\n\r\n", 200, "1000"],
    ["GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, undefined],
    ["GET", 'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 10\r\n\r\n', 304, undefined],
    ["DELETE", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 404, "0"],
  ] as const;
  let next = 0;
  await using upstream = await rawUpstream((socket) => socket.write(heads[next++]?.[1] ?? ""));
  await using proxy = await front(upstream);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  for (const [method, , status, length] of heads) {
    const answer = await request(proxy, "/", { method, agent });
    assert.is(answer.status, status);
    assert.is(answer.headers["content-length"], length);
    assert.is(answer.body.length, 0);
  }
  agent.destroy();
  assert.is(upstream.accepted(), 1);
  assert.equal(proxy.errors, []);
});

test("proxyPass() ends a body that ends with its connection", {}, async () => {
  await using upstream = await rawUpstream((socket) => socket.end("HTTP/1.1 200 OK\r\n\r\nuntil it closes"));
  await using proxy = await front(upstream);
  const { headers, body } = await request(proxy, "/");
  assert.is(headers["transfer-encoding"], "chunked");
  assert.is(body.toString(), "until it closes");
});

test("proxyPass() passes no upgrade on, and says so", {}, async () => {
  await using upstream = await httpUpstream(echo);
  await using proxy = await front(upstream);
  const headers = {
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-key": "x",
    "sec-websocket-version": "13",
  };
  const { status, body } = await request(proxy, "/", { headers });
  assert.is(status, 501);
  assert.match(body.toString(), "not passed on");
  assert.is(upstream.accepted(), 0);
});

/** Heads by which two parsers could be made to see different requests. */
const hostile: Readonly<Record<string, string>> = {
  "a length and chunks":
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n",
  "two lengths":
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n",
  "a list of lengths": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4, 4\r\n\r\nabcdGET /smuggled HTTP/1.1\r\n\r\n",
  "another coding":
    "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
  "chunks that aren't last":
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n",
  "a space before the colon":
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length : 4\r\n\r\nabcdGET /smuggled HTTP/1.1\r\n\r\n",
  "a byte that is in no value": "GET / HTTP/1.1\r\nHost: x\r\nX-A: a\0b\r\n\r\n",
  "a bare CR": "GET / HTTP/1.1\r\nHost: x\r\nX-A: a\rX-B: b\r\n\r\n",
};

for (const [what, text] of Object.entries(hostile))
  test(`proxyPass() is asked for nothing by a head with ${what}`, {}, async () => {
    const urls: string[] = [];
    await using upstream = await httpUpstream((message, response) => {
      urls.push(message.url ?? "");
      echo(message, response);
    });
    await using proxy = await front(upstream);
    const answer = await exchange(proxy, text);
    assert.match(answer, /^HTTP\/1\.1 (?:400|501) /);
    assert.equal(urls, []);
  });

test("a folded field never becomes two", {}, async () => {
  await using upstream = await httpUpstream(echo);
  await using proxy = await front(upstream);
  const text = await exchange(proxy, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-A: a\r\n X-B: b\r\n\r\n");
  if (text.startsWith("HTTP/1.1 200 ")) assert.not.match(text, '["x-b"');
  else assert.match(text, /^HTTP\/1\.1 400 /);
});

test("the length that a GET claims for a body that was discarded isn't claimed of the upstream", {}, async () => {
  await using upstream = await httpUpstream(echo);
  await using proxy = await front(upstream);
  const told = echoed((await request(proxy, "/", { headers: { "content-length": "5" } }, Buffer.from("hello"))).body);
  assert.equal(fieldsNamed(told, "content-length"), []);
  assert.equal(fieldsNamed(told, "transfer-encoding"), []);
  assert.is(told.body, "");
});

/** Answers that could be taken for others, or for more than one. */
const unfit: Readonly<Record<string, string>> = {
  "two lengths": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
  "a length and chunks":
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
  "another coding": "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
  "a byte that is in no value": "HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 0\r\n\r\n",
  "a status that there is not": "HTTP/1.1 799 Odd\r\nContent-Length: 0\r\n\r\n",
  "a byte that is in no text": "HTTP/1.1 200 O\x01K\r\nContent-Length: 0\r\n\r\n",
  "no CR": "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
  "an upgrade": "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
  "no head": "nonsense\r\n\r\n",
};

for (const [what, text] of Object.entries(unfit))
  test(`proxyPass() answers 502 for an answer with ${what}`, {}, async () => {
    const { response, errors } = await answered(text);
    assert.is(response.statusCode, 502);
    assert.is(errors.length, 1);
    assert.is((errors[0] as Error).name, "TransferError");
  });

const refusals: readonly (readonly [unknown, ProxyPassOptions])[] = [
  ["ftp://x/", {}],
  ["/path", {}],
  ["http://user:secret@x/", {}],
  ["http://x/?a", {}],
  ["http://x/#a", {}],
  [undefined, {}],
  ["http://x/", { path: "a" }],
  ["http://x/", { forwarded: "yes" as never }],
  ["http://x/", { preserveHost: 1 as never }],
  ["http://x/", { agent: {} as never }],
  ["http://x/", { onError: 1 as never }],
  ["http://x/", { unix: "" }],
  ["http://x/", { idleTimeoutMs: "1" as never }],
  ["http://x/", { clientAddress: 1 as never }],
];

test("proxyPass() refuses upstreams and options that are none", {}, async () => {
  for (const [to, options] of refusals) {
    const error = await rejection(() => proxyPass(new Request("http://x/"), to as string, options));
    assert.instance(error, TypeError, `${String(to)} ${JSON.stringify(options)}: ${String(error)}`);
  }
  const error = await rejection(() => proxyPass(new Request("http://x/"), "http://x/", { connectTimeoutMs: -1 }));
  assert.instance(error, RangeError);
});
