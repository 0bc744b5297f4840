/** Responses of `file()` on servers that know nothing of Sluice: Bun.serve, Deno.serve, and a plain one of node:http. */
import { file } from "sluice/fetch";
import { assert, test } from "../support/contract.ts";
import { openDescriptors } from "../support/fds.ts";
import { tempFolder } from "../support/temp.ts";
import { settles } from "../support/wait.ts";
import { connectTo, request, stallAfterFirst } from "./support/fetch.ts";
import { assertBytes, dataFile, MiB } from "./support/files.ts";
import { collectGarbage } from "./support/garbage.ts";
import { startOwn as start } from "./support/own-servers.ts";
import { site } from "./support/site.ts";

test("file() is an ordinary Response on any server", { needs: ["proc"] }, async () => {
  const { root, name, content, assertClosed } = site(3 * MiB);
  await using server = await start((asked) => file(asked, name, { root }));
  const whole = await request(server, "/");
  assert.is(whole.status, 200);
  assertBytes(whole.body, content);
  const part = await request(server, "/", { headers: { range: "bytes=5-1000004" } });
  assert.is(part.status, 206);
  assertBytes(part.body, content.subarray(5, 1_000_005));
  const head = await request(server, "/", { method: "HEAD" });
  assert.is(head.headers["content-length"], String(content.length));
  assert.is((await request(server, "/", { headers: { "if-none-match": head.headers.etag } })).status, 304);
  assert.is((await request(server, "/", { headers: { range: "bytes=9999999-" } })).status, 416);
  assert.is((await request(server, "/", { headers: { range: "bytes=0-1,9-10" } })).status, 206);
  await assertClosed();
});

test("file() leaves nothing open on any server when clients go", { needs: ["proc"] }, async () => {
  const { root, name, assertClosed } = site(24 * MiB);
  let slow = false;
  await using server = await start(async (asked) => {
    const response = await file(asked, name, { root });
    if (slow && !asked.signal.aborted) await new Promise((resolve) => asked.signal.addEventListener("abort", resolve));
    return response;
  });
  for (let round = 0; round < 10; round++) {
    slow = round % 3 === 0;
    const socket = await connectTo(server);
    socket.on("error", () => undefined);
    socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    if (slow) await new Promise((resolve) => setTimeout(resolve, 30));
    else await stallAfterFirst(socket);
    socket.destroy();
  }
  await assertClosed();
});

test("file() hears of a client that goes, also when the garbage has been collected", { needs: ["proc"] }, async () => {
  const { root, name, assertClosed } = site(24 * MiB);
  await using server = await start((asked) => file(asked, name, { root }));
  for (let round = 0; round < 5; round++) {
    const socket = await connectTo(server);
    socket.on("error", () => undefined);
    socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await stallAfterFirst(socket);
    await collectGarbage();
    await collectGarbage();
    socket.destroy();
  }
  await assertClosed();
});

test("file() answers with many small files at once, each with its own bytes", { needs: ["proc"] }, async () => {
  const root = tempFolder();
  const sites = [1, 2, 100, 4096, 65_535, 65_536, 65_537, 131_071, 131_072, 131_073].map((size) =>
    dataFile(root, size),
  );
  await using server = await start((asked) => file(asked, new URL(asked.url).pathname, { root }));
  const rounds = Array.from({ length: 6 }, () => sites).flat();
  const answers = await Promise.all(
    rounds.map(async ({ path, content }) => {
      const name = path.slice(root.length);
      const whole = await request(server, name);
      const end = await request(server, name, { headers: { range: "bytes=-1" } });
      const head = await request(server, name, { method: "HEAD" });
      return { content, whole, end, head };
    }),
  );
  for (const { content, whole, end, head } of answers) {
    assert.is(whole.status, 200);
    assert.is(head.headers["content-length"], String(content.length));
    assertBytes(whole.body, content);
    assert.is(end.status, 206);
    assert.is(end.headers["content-range"], `bytes ${content.length - 1}-${content.length - 1}/${content.length}`);
    assertBytes(end.body, content.subarray(-1));
  }
  await settles(() => !openDescriptors().some((name) => name.includes(root)));
  assert.equal(
    openDescriptors().filter((name) => name.includes(root)),
    [],
  );
});

test("file() holds no descriptor for a small body that nobody takes", { needs: ["proc"] }, async () => {
  const { root, name, content } = site(5000);
  const answers = await Promise.all(
    Array.from({ length: 50 }, () => file(new Request("http://site.test/"), name, { root })),
  );
  assert.equal(
    openDescriptors().filter((path) => path.includes(root)),
    [],
  );
  for (const answer of answers) {
    assert.is(answer.headers.get("content-length"), "5000");
    assertBytes(Buffer.from(await answer.arrayBuffer()), content);
  }
});
