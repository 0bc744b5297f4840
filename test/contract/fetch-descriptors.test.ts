/** Every descriptor that `file()` opens is closed once, whatever becomes of the Response. */
import * as fs from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type FetchHandler, file, serve, toNodeHandler } from "sluice/fetch";
import { assert, test } from "../support/contract.ts";
import { openDescriptors } from "../support/fds.ts";
import { tempFolder } from "../support/temp.ts";
import { settles, waitFor } from "../support/wait.ts";
import { ask, bytesOf, connectTo, request, stallAfterFirst } from "./support/fetch.ts";
import { assertBytes, dataFile, MiB } from "./support/files.ts";
import { rejection } from "./support/outcome.ts";

const proc = { needs: ["proc"], timeoutMs: 60_000 } as const;

interface Site {
  readonly root: string;
  readonly name: string;
  readonly content: Buffer;
  /** How many files of the root are open. */
  open(): number;
  assertClosed(): Promise<void>;
}

function site(size = 200_000): Site {
  const root = tempFolder();
  const { path, content } = dataFile(root, size);
  const open = () => openDescriptors().filter((name) => name.includes(root)).length;
  return {
    root,
    name: path.slice(root.length),
    content,
    open,
    async assertClosed() {
      await settles(() => open() === 0);
      assert.is(open(), 0, "files of the root are still open");
    },
  };
}

test("file() has nothing open when it answers without a body", proc, async () => {
  const { root, name, open } = site();
  fs.mkdirSync(join(root, "sub"));
  for (const path of ["sub/index.html", "empty", `${name}.gz`]) fs.writeFileSync(join(root, path), "");
  const etag = (await ask(name, { root }, { method: "HEAD" })).headers.get("etag") ?? "";
  const cases: readonly (readonly [string, RequestInit, number])[] = [
    [name, { method: "HEAD" }, 200],
    [name, { headers: { "if-none-match": etag } }, 304],
    [name, { headers: { "if-match": '"x"' } }, 412],
    [name, { headers: { range: "bytes=999999-" } }, 416],
    [name, { method: "POST" }, 405],
    ["/empty", {}, 200],
    ["/none", {}, 404],
    ["/sub/none", {}, 404],
    ["/sub/", {}, 200],
    [name, { headers: { "accept-encoding": "gzip" } }, 200],
  ];
  for (const [path, init, status] of cases) {
    assert.is((await ask(path, { root }, init)).status, status);
    assert.is(open(), 0, `${path}: ${status}`);
  }
  const aborted = AbortSignal.abort(new Error("Not any more"));
  const late = await ask(name, { root }, { signal: aborted });
  assert.is(open(), 0);
  assert.is((await rejection(() => late.text())).name, "AbortError");
  await rejection(() => ask(name, { root, headers: { "bad name": "x" } }));
  assert.is(open(), 0);
});

test("file() keeps one descriptor until its body is read, cancelled or aborted", proc, async () => {
  const { root, name, content, open, assertClosed } = site();
  const response = await ask(name, { root });
  assert.is(open(), 1);
  assertBytes(await bytesOf(response), content);
  assert.is(open(), 0);

  await (await ask(name, { root })).body?.cancel();
  assert.is(open(), 0);

  const reader = (await ask(name, { root })).body?.getReader();
  assert.ok(((await reader?.read())?.value?.length ?? 0) > 0);
  assert.is(open(), 1);
  const reading = reader?.read();
  await reader?.cancel();
  await reading;
  await assertClosed();

  const abort = new AbortController();
  await ask(name, { root }, { signal: abort.signal });
  const begun = (await ask(name, { root }, { signal: abort.signal })).body?.getReader();
  await begun?.read();
  const several = await ask(name, { root }, { signal: abort.signal, headers: { range: "bytes=0-1,9-10" } });
  assert.is(open(), 3);
  abort.abort();
  await assertClosed();
  await rejection(async () => begun?.read());
  await rejection(() => several.text());
});

test("file() serves a clone and a wrapped Response like the first", proc, async () => {
  const { root, name, content, assertClosed } = site();
  const response = await ask(name, { root });
  const clone = response.clone();
  const wrapped = new Response(response.body, response);
  const [first, second] = await Promise.all([bytesOf(wrapped), bytesOf(clone)]);
  assertBytes(first, content);
  assertBytes(second, content);
  await assertClosed();
});

test("file() reports a file that has become shorter by an error of its body", proc, async () => {
  const { root, name, assertClosed } = site();
  const response = await ask(name, { root });
  fs.truncateSync(root + name, 100_000);
  const error = await rejection(() => bytesOf(response));
  assert.is(error.code, "ERR_SLUICE_TRUNCATED");
  await assertClosed();
});

/** Ways for a handler to treat what file() gives it. */
const handlers: Readonly<Record<string, (get: () => Promise<Response>) => Promise<Response>>> = {
  "returns it": (get) => get(),
  "wraps it": async (get) => {
    const response = await get();
    return new Response(response.body, response);
  },
  "drops its body": async (get) => {
    const { status, headers } = await get();
    return new Response(null, { status, headers: { etag: headers.get("etag") ?? "" } });
  },
  "drops it for another": async (get) => {
    await get();
    return get();
  },
  "throws after it": async (get) => {
    await get();
    throw new Error("On purpose");
  },
  "transforms it": async (get) => {
    const response = await get();
    return new Response(response.body?.pipeThrough(new TransformStream<Uint8Array, Uint8Array>()), response);
  },
  "clones it": async (get) => {
    const response = await get();
    void response.clone().arrayBuffer();
    return response;
  },
};

/** A server of the runtime's own and one of node:http, with the same handler. */
const servers: Readonly<Record<string, (fetch: FetchHandler) => Promise<AsyncDisposable & { port: number }>>> = {
  "serve()": (fetch) => serve({ fetch, host: "127.0.0.1", onError: () => undefined }),
  "toNodeHandler()": async (fetch) => {
    const server = createServer(toNodeHandler(fetch, { onError: () => undefined }));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return {
      port: (server.address() as AddressInfo).port,
      async [Symbol.asyncDispose]() {
        server.close();
        server.closeAllConnections?.();
      },
    };
  },
};

for (const [serverName, start] of Object.entries(servers))
  for (const [what, handle] of Object.entries(handlers))
    test(`${serverName} leaves nothing open where the handler ${what}`, proc, async () => {
      const { root, name, content, assertClosed } = site();
      await using server = await start((asked) => handle(() => file(asked, name, { root })));
      for (const method of ["GET", "HEAD"])
        for (const range of [undefined, "bytes=10-50000", "bytes=0-9,20-29"]) {
          const { status, body } = await request(server, "/", {
            method,
            headers: range === undefined ? {} : { range },
          });
          const expected = range === undefined || method === "HEAD" ? 200 : 206;
          assert.is(status, what === "throws after it" ? 500 : expected);
          if (status === 200 && method === "GET" && body.length > 0) assertBytes(body, content);
        }
      await assertClosed();
    });

for (const [serverName, start] of Object.entries(servers))
  test(`${serverName} leaves nothing open when clients go, whenever that is`, proc, async () => {
    const { root, name, assertClosed, open } = site(24 * MiB);
    let begun = 0;
    await using server = await start(async (asked) => {
      begun++;
      const response = await file(asked, name, { root });
      // Some are gone before the answer is there.
      if (begun % 3 === 0) await new Promise((resolve) => setTimeout(resolve, 20));
      return response;
    });
    for (let round = 0; round < 30; round++) {
      const socket = await connectTo(server);
      socket.on("error", () => undefined);
      socket.write(`GET / HTTP/1.1\r\nHost: x\r\n${round % 5 === 0 ? "Range: bytes=0-1,9-20000000\r\n" : ""}\r\n`);
      if (round % 2 === 0) await stallAfterFirst(socket);
      else await waitFor("the request", () => begun === round + 1);
      if (round % 4 < 2) socket.resetAndDestroy();
      else socket.destroy();
    }
    await assertClosed();
    assert.is(open(), 0);
  });
