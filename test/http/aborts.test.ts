/** Clients that go away: at every stage the file is closed, the stream destroyed, and the next one served. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { MiB } from "../contract/support/files.ts";
import { sha256 } from "../support/data.ts";
import { assertSameCourse, both, startPair } from "./support/compare.ts";
import { makeContent } from "./support/content.ts";
import { RawClient } from "./support/raw.ts";
import { visit } from "./support/visit.ts";

const content = makeContent();
const whole = content.bytes["16m"];
const pair = await startPair({ script: "plain", args: [content.folder] });
const test = suite("clients that go away");

/** How far a client gets before it goes away. */
const stages: Readonly<Record<string, (client: RawClient) => Promise<unknown>>> = {
  "before the headers": async () => undefined,
  "after the headers": (client) => client.head(),
  "mid-body": async (client) => {
    await client.head();
    await client.read(MiB);
  },
  "at the last byte": async (client) => {
    await client.head();
    await client.read(whole.length - 1);
  },
};

/** How it goes. */
const farewells: Readonly<Record<string, (client: RawClient) => unknown>> = {
  closes: (client) => client.socket.destroy(),
  resets: (client) => client.socket.resetAndDestroy(),
};

const warm = async (app: typeof pair.on) => {
  for (const route of ["pipe", "chunked", "pipeline"]) await visit(app, "warm-up", { path: `/${route}/16m.bin` });
};
await both(pair, warm);

async function assertNothingLeft(route: string, stage: string, farewell: string): Promise<void> {
  const app = pair.on;
  const before = await app.descriptors();
  const id = `${route}-${stage}-${farewell}`;
  const client = await RawClient.connect(app);
  client.request(`/${route}/16m.bin?case=${encodeURIComponent(id)}`);
  await stages[stage]?.(client);
  farewells[farewell]?.(client);
  const entries = await app.finished(id);
  const names = entries.map(({ emitter, event }) => `${emitter} ${event}`);
  const isPiped = names.includes("response pipe");
  // Whether a request is seen at all before its connection goes is the kernel's affair.
  assert.ok(isPiped || stage === "before the headers", names.join());
  assert.is(names.includes("source close"), isPiped, names.join());
  await app.assertDescriptors(before);
  const { answer } = await visit(app, `${id}-next`, { path: "/pipe/300k.bin" });
  assert.is(answer.sha256, sha256(content.bytes["300k"]), "the next request is unharmed");
}

for (const route of ["hold", "hold-pipeline", "chunked", "file-handle"])
  for (const stage of Object.keys(stages))
    for (const farewell of Object.keys(farewells)) {
      // This app pipes a while after the request: to a response without a client, where it is on its own.
      if (route === "file-handle" && stage === "before the headers") continue;
      test(`a client of /${route} that ${farewell} the connection ${stage} leaves nothing behind`, () =>
        assertNothingLeft(route, stage, farewell));
    }

test("pipeline() tells of a client that goes away mid-body what it tells without the preload", async () => {
  const id = "compared";
  const logs = await both(pair, async (app) => {
    const client = await RawClient.connect(app);
    client.request(`/hold-pipeline/16m.bin?case=${id}`);
    await client.head();
    await client.read(MiB);
    client.socket.resetAndDestroy();
    return await app.finished(id);
  });
  assertSameCourse(logs);
});

test("a client that goes away while the app has yet to answer leaves nothing behind", async () => {
  const id = "late";
  const app = pair.on;
  const before = await app.descriptors();
  const client = await RawClient.connect(app);
  client.request(`/hold-before-headers/16m.bin?case=${id}`);
  while ((await app.log(id)).open.sources === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  client.socket.resetAndDestroy();
  while ((await app.log(id)).open.responses > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await app.ask("meddle", id, "pipe");
  await app.ask("meddle", id, "destroy");
  await app.finished(id);
  await app.assertDescriptors(before);
});

for (const farewell of Object.keys(farewells))
  test(`answers that wait behind a large one leave nothing behind when their client ${farewell} the connection`, async () => {
    const app = pair.on;
    const before = await app.descriptors();
    const waiting = ["pipe/4k", "chunked/300k", "pipeline/1m", "two-parts/16m", "hold/16m", "file-handle/300k"];
    for (let round = 0; round < 5; round++) {
      const id = `waiting-${farewell}-${round}`;
      const client = await RawClient.connect(app);
      client.request(...["hold/16m", ...waiting].map((path) => `/${path}.bin?case=${id}`));
      await client.head();
      await client.read(MiB);
      farewells[farewell]?.(client);
    }
    await app.assertDescriptors(before);
  });

test("server.closeAllConnections() breaks all bodies off and closes their files", async () => {
  const app = pair.on;
  const before = await app.descriptors();
  const clients = await Promise.all(Array.from({ length: 20 }, () => RawClient.connect(app)));
  for (const client of clients) client.request("/hold/16m.bin?case=all");
  for (const client of clients) await client.read(MiB);
  await app.ask("closeAll");
  for (const client of clients) assert.ok((await client.rest()).length < whole.length - MiB);
  const entries = await app.finished("all");
  const closed = entries.filter(({ emitter, event }) => emitter.startsWith("source") && event === "close");
  assert.is(closed.length, clients.length);
  await app.assertDescriptors(before);
});

test("response.destroy() by the app closes the file", async () => {
  const app = pair.on;
  const before = await app.descriptors();
  const client = await RawClient.connect(app);
  using _ = client;
  client.request("/hold/16m.bin?case=destroyed");
  await client.head();
  await client.read(MiB);
  await app.ask("meddle", "destroyed", "destroy-response");
  assert.ok((await client.rest()).length < whole.length);
  const entries = await app.finished("destroyed");
  assert.ok(entries.some(({ emitter, event }) => emitter === "source" && event === "close"));
  await app.assertDescriptors(before);
});

test("a client that ends its half gets as much of the body as it does without the preload", async () => {
  const { on, off } = await both(pair, async (app) => {
    const client = await RawClient.connect(app);
    using _ = client;
    client.request(`/closing/16m.bin?case=half`);
    client.socket.end();
    const received = await client.rest();
    return received.length > whole.length;
  });
  assert.is(on, off);
});

test.after(async () => await pair[Symbol.asyncDispose]());
test.run();
