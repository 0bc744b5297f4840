/** What `file()` gives the runtime's own server may be the runtime's own, too; the answer is the same. */
import { appendFileSync, renameSync, truncateSync, writeFileSync } from "node:fs";
import { type FetchHandler, file } from "sluice/fetch";
import { assert, test } from "../support/contract.ts";
import { connectTo, exchange, request, stallAfterFirst } from "./support/fetch.ts";
import { assertBytes, data, KiB, MiB } from "./support/files.ts";
import { startOwn as start } from "./support/own-servers.ts";
import { site } from "./support/site.ts";

const head = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

test("file() has nobody warned of the signal of a request", { needs: ["proc"], alone: true }, async () => {
  const { root, name, content, assertClosed } = site(3 * MiB);
  const { warn } = console;
  const warnings: unknown[][] = [];
  console.warn = (...words) => void warnings.push(words);
  try {
    await using server = await start((asked) => file(asked, name, { root }));
    for (const range of ["bytes=0-", "bytes=5-2000004", "bytes=0-99,1000000-"])
      assert.is((await request(server, "/", { headers: { range } })).status, 206);
    assertBytes((await request(server, "/")).body, content);
    const socket = await connectTo(server);
    socket.on("error", () => undefined);
    socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await stallAfterFirst(socket);
    socket.destroy();
    await assertClosed();
  } finally {
    console.warn = warn;
  }
  assert.equal(warnings, []);
});

for (const size of [64 * KiB + 2, 128 * KiB + 2, 5 * MiB])
  test(`file() sends its ranges of ${size} bytes by the runtime's own server`, { needs: ["proc"] }, async () => {
    const { root, name, content, assertClosed } = site(size);
    await using server = await start((asked) => file(asked, name, { root }));
    const ranges: readonly (readonly [string, number, number])[] = [
      ["0-", 0, size],
      ["1-", 1, size],
      ["-65537", size - 65_537, size],
      [`${size - 1}-`, size - 1, size],
      ["0-65536", 0, 65_537],
      [`7-${size - 2}`, 7, size - 1],
      [`9-${size + 100}`, 9, size],
    ];
    for (const [asked, first, end] of ranges) {
      const answer = await request(server, "/", { headers: { range: `bytes=${asked}` } });
      assert.is(answer.status, 206);
      assert.is(answer.headers["content-range"], `bytes ${first}-${end - 1}/${size}`);
      assertBytes(answer.body, content.subarray(first, end));
    }
    await assertClosed();
  });

/** Has something done to the file when it is open and its length promised. */
const meanwhile =
  (found: ReturnType<typeof site>, act: () => void): FetchHandler =>
  async (asked) => {
    const response = await file(asked, found.name, { root: found.root });
    act();
    return response;
  };

test(
  "file() breaks off an answer of the runtime's own server whose file was truncated",
  { needs: ["proc"] },
  async () => {
    for (const left of [0, 1 * MiB, 3 * MiB - 1]) {
      const found = site(3 * MiB);
      await using server = await start(meanwhile(found, () => truncateSync(found.path, left)));
      // The bytes are random, and as latin1 each is a character.
      const text = await exchange(server, head).catch(() => "");
      const promised = /\r\ncontent-length: (\d+)\r\n/i.exec(text)?.[1];
      const body = text.slice(text.indexOf("\r\n\r\n") + 4);
      const isWhole = promised === undefined ? body.endsWith("\r\n0\r\n\r\n") : body.length >= Number(promised);
      assert.is(text.startsWith("HTTP/1.1 200") && isWhole, false);
      await found.assertClosed();
    }
  },
);

test(
  "file() sends no more of a file that grows, nor another one that takes its place",
  { needs: ["proc"] },
  async () => {
    const more = data(1 * MiB, 7);
    const acts: readonly ((path: string) => void)[] = [
      (path) => appendFileSync(path, more),
      (path) => {
        writeFileSync(`${path}.new`, more);
        renameSync(`${path}.new`, path);
      },
    ];
    for (const act of acts) {
      const found = site(3 * MiB);
      await using server = await start(meanwhile(found, () => act(found.path)));
      assertBytes((await request(server, "/")).body, found.content);
      await found.assertClosed();
    }
  },
);

test("a body for the runtime's own server can be read, cloned and transformed first", { needs: ["proc"] }, async () => {
  const { root, name, content, assertClosed } = site(3 * MiB);
  const ways: readonly ((response: Response) => Response | Promise<Response>)[] = [
    (response) => new Response(response.body, response),
    (response) => new Response(response.body?.pipeThrough(new TransformStream()) ?? null, response),
    async (response) => new Response(await response.arrayBuffer(), response),
    async (response) => {
      const copy = response.clone();
      const [bytes] = await Promise.all([copy.arrayBuffer(), response.body?.cancel()]);
      return new Response(bytes, copy);
    },
  ];
  for (const way of ways) {
    await using server = await start(async (asked) => way(await file(asked, name, { root })));
    assertBytes((await request(server, "/")).body, content);
    const end = await request(server, "/", { headers: { range: "bytes=5-" } });
    assert.is(end.status, 206);
    assertBytes(end.body, content.subarray(5));
    await assertClosed();
  }
});
