/** Many connections, slow ones, and several requests on one. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { symlinkSync } from "node:fs";
import * as http from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { assertBytes, MiB } from "../contract/support/files.ts";
import { sha256 } from "../support/data.ts";
import { steadily } from "../support/steady.ts";
import type { App } from "./support/app.ts";
import { assertSameEvents, both, hasEngine, startPair } from "./support/compare.ts";
import { makeContent } from "./support/content.ts";
import { RawClient } from "./support/raw.ts";
import { visit } from "./support/visit.ts";

const content = makeContent();
const whole = content.bytes["16m"];
const pair = await startPair({ script: "plain", args: [content.folder] });
const test = suite("connections");

test("three pipelined requests in one segment are answered in their order, each taken over", async () => {
  await pair.on.published();
  const heads = await both(pair, async (app) => {
    const client = await RawClient.connect(app);
    using _ = client;
    client.request(...[1, 2, 3].map((i) => `/pipe/1m.bin?case=pipelined-${i}`));
    const seen: unknown[] = [];
    for (let i = 0; i < 3; i++) {
      const { status, headers } = await client.head();
      seen.push({ status, ...headers, date: "" });
      assertBytes(await client.read(MiB), content.bytes["1m"]);
    }
    client.request("/ping");
    assert.is((await client.head()).status, 200);
    return seen;
  });
  assert.equal(heads.on, heads.off);
  for (const i of [1, 2, 3]) assertSameEvents(await both(pair, (app) => app.finished(`pipelined-${i}`)));
  const natives = (await pair.on.published()).filter(({ native }) => native).length;
  assert.is(natives, hasEngine ? 3 : 0);
});

test("requests of every sort on one connection each get their own answer", async () => {
  const routes = ["pipe", "chunked", "gzip", "pipeline", "write-before", "not-found", "pass-through", "trailers"];
  const answers = await both(pair, async (app) => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const seen: string[] = [];
    for (const [i, route] of [...routes, ...routes].entries()) {
      const size = i % 2 === 0 ? "300k" : "1m";
      const path = `/${route}/${size}.bin?case=mixed-${i}`;
      const request = http.get({ host: "127.0.0.1", port: app.port, agent, path });
      const [response] = (await once(request, "response")) as [http.IncomingMessage];
      const hash = createHash("sha256");
      for await (const chunk of response) hash.update(chunk as Buffer);
      seen.push(`${route} ${response.statusCode} ${i === 0 || request.reusedSocket} ${hash.digest("hex")}`);
    }
    agent.destroy();
    return seen;
  });
  assert.equal(answers.on, answers.off);
  for (const line of answers.on) assert.match(line, / true /);
});

test("500 keep-alive connections at once get the file twice each, and leave nothing open", async () => {
  const app = pair.on;
  await visit(app, "warm-up", { path: "/pipe/300k.bin" });
  const before = await app.descriptors();
  const agent = new http.Agent({ keepAlive: true, maxSockets: 500, maxFreeSockets: 500 });
  const get = async (i: number) => {
    const request = http.get({ host: "127.0.0.1", port: app.port, agent, path: `/pipe/300k.bin?case=many-${i}` });
    const [response] = (await once(request, "response")) as [http.IncomingMessage];
    const hash = createHash("sha256");
    for await (const chunk of response) hash.update(chunk as Buffer);
    return hash.digest("hex");
  };
  const expected = sha256(content.bytes["300k"]);
  for (let round = 0; round < 2; round++) {
    const hashes = await Promise.all(Array.from({ length: 500 }, (_, i) => get(i)));
    assert.is(hashes.filter((hash) => hash === expected).length, 500);
    assert.is(Object.values(agent.freeSockets).flat().length, 500, "all connections are kept");
  }
  agent.destroy();
  await app.assertDescriptors(before);
});

/** Has the server give its connections up after so long without progress, while `body` runs. */
async function withTimeout(ms: number, body: (app: App) => Promise<void>): Promise<void> {
  await both(pair, async (app) => {
    await app.ask("timeout", ms);
    try {
      await body(app);
    } finally {
      await app.ask("timeout", 0);
    }
  });
}

test("server.timeout fires for a reader that stands still", () =>
  withTimeout(400, async (app) => {
    const client = await RawClient.connect(app);
    using _ = client;
    client.request("/pipe/16m.bin?case=stalled");
    await client.head();
    await client.read(1000);
    while ((await app.log("stalled")).open.responses > 0) await sleep(20);
    const { entries } = await app.log("stalled");
    assert.ok(entries.some(({ event, state }) => event === "connection" && state["destroyed"] === true));
    assert.not.ok(entries.some(({ event }) => event === "finish"));
    assert.ok((await client.rest()).length < whole.length);
  }));

test("server.timeout does not fire for a slow reader that makes progress", () =>
  steadily(600, () =>
    withTimeout(1_500, async (app) => {
      const client = await RawClient.connect(app);
      using _ = client;
      client.request("/pipe/16m.bin?case=slow");
      await client.head();
      const chunks: Buffer[] = [];
      // Each step lets more through, and together they outlast the time-out.
      for (let step = 0; step < 16; step++) {
        chunks.push(await client.read(MiB));
        await sleep(200);
      }
      assertBytes(Buffer.concat(chunks), whole);
      client.request("/ping");
      assert.is((await client.head()).status, 200);
    }),
  ));

test("files of procfs, whose size is 0, are sent as without the preload", async () => {
  for (const name of ["cpuinfo", "kallsyms"]) {
    symlinkSync(`/proc/${name}`, join(content.folder, name));
    const texts = await both(pair, async (app) => {
      const client = await RawClient.connect(app);
      using _ = client;
      client.request(`/closing/${name}?case=${name}`);
      const text = (await client.rest()).toString();
      // How it is cut into chunks is the sender's choice, and what a processor runs at changes.
      return text.slice(text.indexOf("\r\n\r\n")).replaceAll(/\r\n[\da-f]+\r\n|\r\n|^cpu MHz.*$/gm, "");
    });
    assert.ok(texts.off.length > 100, texts.off);
    assert.ok(texts.on === texts.off, `${name}: ${texts.on.length} characters came where ${texts.off.length} should`);
  }
});

test.after(async () => await pair[Symbol.asyncDispose]());
test.run();
