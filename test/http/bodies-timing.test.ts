/** Time-outs, asking first, early answers, and servers that close, while a body is under way. */
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { assertBytes, MiB } from "../contract/support/files.ts";
import { steadily } from "../support/steady.ts";
import { answer, body, fate, head, readAnswer, scenes, send, type Stage, undated } from "./support/scene.ts";
import type { RawClient } from "./support/raw.ts";

const { scene, run } = scenes("time-outs and early ends of bodies");

const content = body(300, 8 * MiB);
const part = content.subarray(0, 3 * MiB + 5);

/** Half a MiB each 100 ms: longer in all than any time-out here. */
async function slowly(to: RawClient, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length; at += MiB / 2) {
    send(to, bytes.subarray(at, at + MiB / 2));
    await sleep(100);
  }
}

scene("a request that takes too long is answered by 408", { native: 1, racing: true }, async (stage) => {
  await stage.app.ask("requestTimeout", 700);
  const client = await stage.client();
  send(client, head("POST", stage.upload("pipe"), content.length), part);
  await stage.arrived(part.length);
  const rest = (await client.rest()).toString();
  await stage.app.ask("requestTimeout", 300_000);
  await stage.act("destroy-target");
  assertBytes(stage.stored(), part);
  return rest;
});

scene("the time-out of a request fires when nothing moves", { native: 1, racing: true }, async (stage) => {
  const client = await stage.client();
  send(client, head("POST", stage.upload("idle-request"), content.length), part);
  await stage.arrived(part.length);
  const rest = (await client.rest()).length;
  await stage.act("destroy-target");
  assertBytes(stage.stored(), part);
  return rest;
});

scene("the time-out of a server fires when nothing moves", { native: 1, racing: true }, async (stage) => {
  await stage.app.ask("timeout", 400);
  const client = await stage.client();
  send(client, head("POST", stage.upload("pipe"), content.length), part);
  await stage.arrived(part.length);
  const rest = (await client.rest()).length;
  await stage.app.ask("timeout", 0);
  await stage.act("destroy-target");
  return rest;
});

scene("the time-out of a proxy's request fires when nothing moves", { native: 1, racing: true }, async (stage) => {
  const client = await stage.client();
  client.socket.write(head("GET", stage.proxy("idle-upstream"), undefined));
  const behind = await stage.behind.accept();
  await behind.head();
  send(behind, answer(content.length), part);
  await client.head();
  assertBytes(await client.read(part.length), part);
  return [(await client.rest()).length, (await behind.rest()).length];
});

const moving: Readonly<Record<string, (stage: Stage) => Promise<unknown>>> = {
  "of a request": async (stage) => {
    const client = await stage.client();
    client.socket.write(head("POST", stage.upload("idle-request"), content.length));
    await slowly(client, content);
    return await readAnswer(client);
  },
  "of a server": async (stage) => {
    await stage.app.ask("timeout", 400);
    const client = await stage.client();
    client.socket.write(head("POST", stage.upload("pipe"), content.length));
    await slowly(client, content);
    const seen = await readAnswer(client);
    await stage.app.ask("timeout", 0);
    return seen;
  },
  "of a proxy's request": async (stage) => {
    const client = await stage.client();
    client.socket.write(head("GET", stage.proxy("idle-upstream"), undefined));
    const behind = await stage.behind.accept();
    await behind.head();
    behind.socket.write(answer(content.length));
    const sent = slowly(behind, content);
    const seen = undated(await client.head());
    assertBytes(await client.read(content.length), content);
    await sent;
    return seen;
  },
};

for (const [whose, play] of Object.entries(moving))
  scene(`the time-out ${whose} does not fire while bytes move`, { loose: true, racing: true }, (stage) =>
    steadily(200, async () => await play(stage)),
  );

scene("a client that asks first is told to continue", { native: 1 }, async (stage) => {
  const client = await stage.client();
  client.socket.write(head("POST", stage.upload("pipe"), content.length, "Expect: 100-continue"));
  const leave = undated(await client.head());
  send(client, content);
  const seen = await readAnswer(client);
  assertBytes(stage.stored(), content);
  return [leave, seen, await fate(client)];
});

scene("a proxy hands on that its client asks first", { native: 1 }, async (stage) => {
  const client = await stage.client();
  client.socket.write(head("PUT", stage.proxy("pipe"), content.length, "Expect: 100-continue"));
  const leave = undated(await client.head());
  send(client, content);
  const behind = await stage.behind.accept();
  const asked = undated(await behind.head());
  behind.socket.write("HTTP/1.1 100 Continue\r\n\r\n");
  assertBytes(await behind.read(content.length), content);
  behind.socket.write(`${answer(2)}ok`);
  return [leave, asked, await readAnswer(client), await fate(client)];
});

scene("an upload that nobody wants leaves its connection to serve on", { native: 0 }, async (stage) => {
  const client = await stage.client();
  send(client, head("POST", stage.upload("refused"), content.length), content);
  return [await readAnswer(client), await fate(client)];
});

scene("an answer that comes early lets the upload come to its end", { native: 1 }, async (stage) => {
  const client = await stage.client();
  send(client, head("POST", stage.upload("answered-early"), content.length), part);
  const seen = await readAnswer(client);
  send(client, content.subarray(part.length));
  await stage.saw("body came");
  return [seen, await fate(client)];
});

scene("an answer that comes in the midst lets the rest come", { native: 1, racing: true }, async (stage) => {
  const client = await stage.client();
  send(client, head("POST", stage.upload("pipe"), content.length), part);
  await stage.arrived(part.length);
  await stage.act("answer-early");
  const seen = await readAnswer(client);
  send(client, content.subarray(part.length));
  await stage.saw("body came");
  const fated = await fate(client);
  assertBytes(stage.stored(), content);
  return [seen, fated];
});

scene("closeAllConnections() breaks an upload off", { native: 1, racing: true }, async (stage) => {
  const client = await stage.client();
  send(client, head("POST", stage.upload("pipe"), content.length), part);
  await stage.arrived(part.length);
  await stage.app.ask("closeAll");
  const rest = await client.rest();
  await stage.act("destroy-target");
  assertBytes(stage.stored(), part);
  return rest.length;
});

scene("closeIdleConnections() leaves one that a body comes by", { native: 1 }, async (stage) => {
  const client = await stage.client();
  send(client, head("POST", stage.upload("pipe"), content.length), part);
  await stage.arrived(part.length);
  await stage.app.ask("closeIdle");
  send(client, content.subarray(part.length));
  const seen = await readAnswer(client);
  assertBytes(stage.stored(), content);
  await stage.app.ask("closeIdle");
  return [seen, (await client.rest()).length];
});

run();

const last = scenes("a server that closes");

last.scene("close() lets a body come to its end", { native: 1 }, async (stage) => {
  const client = await stage.client();
  send(client, head("POST", stage.upload("pipe"), content.length), part);
  await stage.arrived(part.length);
  await stage.app.ask("close");
  send(client, content.subarray(part.length));
  const seen = await readAnswer(client);
  assertBytes(stage.stored(), content);
  const refused = await stage.client().then(
    () => "let in",
    (error: NodeJS.ErrnoException) => error.code,
  );
  assert.is(refused, "ECONNREFUSED");
  return seen;
});

last.run();
