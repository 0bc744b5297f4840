/** What an app does to a body that is under way, and what of its own it puts in the way. */
import * as assert from "uvu/assert";
import { assertBytes, MiB } from "../contract/support/files.ts";
import { sha256 } from "../support/data.ts";
import { answer, body, fate, head, readAnswer, scenes, send, type Stage, undated } from "./support/scene.ts";

const { scene, run } = scenes("bodies that an app meddles with");

const content = body(200, 8 * MiB);
const part = 3 * MiB + 5;
const [first, rest] = [content.subarray(0, part), content.subarray(part)];

/** What is taken over before may be so again afterwards. */
const meddling: Readonly<Record<string, readonly string[]>> = {
  "pause() and resume()": ["pause", "resume"],
  "unpipe() and pipe()": ["unpipe", "pipe"],
  "pause(), unpipe(), pipe() and resume()": ["pause", "unpipe", "pipe", "resume"],
  "a listener of 'data'": ["add-listener"],
  "a second target": ["add-target"],
};

/** What those got who came to it late: the tail of the body. */
async function late(stage: Stage): Promise<unknown> {
  const told = (await stage.app.log(stage.ids[0] ?? "")).entries;
  const entry = told.find(({ event }) => event === "listened" || event === "second target");
  if (entry === undefined) return undefined;
  const { bytes, sha256: hash } = entry.state as { bytes: number; sha256: string };
  assert.ok(bytes >= rest.length && bytes <= content.length, `${bytes} bytes came late`);
  assert.is(hash, sha256(content.subarray(content.length - bytes)));
  return entry.event;
}

for (const [what, acts] of Object.entries(meddling)) {
  scene(`${what} in the midst of an upload`, { loose: true, racing: true }, async (stage) => {
    const client = await stage.client();
    send(client, head("POST", stage.upload("pipe"), content.length), first);
    await stage.arrived(first.length);
    for (const act of acts) await stage.act(act);
    send(client, rest);
    const seen = await readAnswer(client);
    assertBytes(stage.stored(), content);
    return [seen, await late(stage), await fate(client)];
  });

  scene(`${what} in the midst of an answer`, { loose: true, racing: true }, async (stage) => {
    const client = await stage.client();
    client.socket.write(head("GET", stage.proxy("pipe"), undefined));
    const behind = await stage.behind.accept();
    await behind.head();
    send(behind, answer(content.length), first);
    const got = undated(await client.head());
    assertBytes(await client.read(first.length), first);
    for (const act of acts) await stage.act(act);
    send(behind, rest);
    assertBytes(await client.read(rest.length), rest);
    await stage.saw("counted");
    return [got, await late(stage), await fate(client)];
  });
}

// A second hand-over is one of the same body.
scene("nothing moves from unpipe() to pipe()", { native: [1, 2], loose: true, racing: true }, async (stage) => {
  const large = body(201, 16 * MiB);
  const client = await stage.client();
  client.socket.write(head("GET", stage.proxy("pipe"), undefined));
  const behind = await stage.behind.accept();
  await behind.head();
  send(behind, answer(large.length), large);
  await client.head();
  const some = await client.read(MiB);
  await stage.act("unpipe");
  const parts: Buffer[] = [];
  // What is under way on a loaded machine comes in its own time.
  do parts.push(await client.untilQuiet());
  while (parts.at(-1)?.length !== 0);
  const underWay = Buffer.concat(parts);
  assert.ok(some.length + underWay.length < large.length, "it did not stop");
  await stage.act("pipe");
  const more = await client.read(large.length - some.length - underWay.length);
  assertBytes(Buffer.concat([some, underWay, more]), large);
  return await fate(client);
});

scene("a body that is piped late, when much of it has come", { native: 1 }, async (stage) => {
  const client = await stage.client();
  send(client, head("POST", stage.upload("late"), content.length), content);
  await stage.act("look");
  await stage.act("pipe");
  const seen = await readAnswer(client);
  assertBytes(stage.stored(), content);
  return [seen, await fate(client)];
});

scene("an answer that is piped late", { native: 1 }, async (stage) => {
  const client = await stage.client();
  client.socket.write(head("GET", stage.proxy("late"), undefined));
  const behind = await stage.behind.accept();
  await behind.head();
  send(behind, answer(content.length), content);
  await stage.act("pipe");
  const got = undated(await client.head());
  assertBytes(await client.read(content.length), content);
  return [got, await fate(client)];
});

/** An app's own doing, before it pipes, and whether bytes may pass it by then. */
const own: Readonly<Record<string, number>> = {
  "own-push": 0,
  "own-pipe": 1,
  "own-read": 0,
  listened: 0,
  transformed: 0,
};

for (const [way, native] of Object.entries(own))
  scene(
    `an app's own doing (${way}) sees the bytes that it saw`,
    way === "own-pipe" ? {} : { native },
    async (stage) => {
      const client = await stage.client();
      send(client, head("POST", stage.upload(way), content.length), content);
      const seen = await readAnswer(client);
      assertBytes(stage.stored(), content);
      const { entries } = await stage.app.log(stage.ids[0] ?? "");
      const told = entries.filter(({ event }) => ["pushed", "listened", "own pipe", "own _read"].includes(event));
      return [seen, told.map(({ event, state }) => ({ event, state })), await fate(client)];
    },
  );

scene("a body that is decoded is Node's", { native: 0 }, async (stage) => {
  const client = await stage.client();
  client.socket.write(head("POST", stage.upload("late"), content.length));
  await stage.act("encode");
  await stage.act("pipe");
  send(client, content);
  const seen = await readAnswer(client);
  assertBytes(stage.stored(), Buffer.from(content.toString("latin1")));
  return [seen, await fate(client)];
});

scene("an answer of a class of its own", {}, async (stage) => {
  const client = await stage.client();
  client.socket.write(head("GET", stage.proxy("own-message"), undefined));
  const behind = await stage.behind.accept();
  await behind.head();
  send(behind, answer(content.length), content);
  const got = undated(await client.head());
  assertBytes(await client.read(content.length), content);
  return [got, await fate(client)];
});

scene("a connection serves on after each body, by the same parser", { native: 6 }, async (stage) => {
  const client = await stage.client();
  const seen: unknown[] = [];
  for (const nth of [1, 2, 3, 4, 5, 6]) {
    const each = body(210 + nth, MiB * 2 + nth);
    send(client, head("POST", stage.upload(nth % 2 === 0 ? "pipe" : "pipeline", nth), each.length), each);
    seen.push(await readAnswer(client));
    assertBytes(stage.stored(nth), each);
    // Between two of them others come that JavaScript reads.
    send(client, head("POST", stage.upload("listened", 10 + nth), 5), "small");
    seen.push(await readAnswer(client), stage.stored(10 + nth).toString());
  }
  const fresh = await stage.client();
  return [seen, await fate(client), await fate(fresh)];
});

for (const kind of ["CONNECT", "an upgrade"])
  scene(`${kind} is no body`, {}, async (stage) => {
    const client = await stage.client();
    const target = `/tunnel?port=${stage.behind.port}`;
    send(
      client,
      kind === "CONNECT"
        ? `CONNECT x:${stage.behind.port} HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n`
        : head("GET", target, undefined, "Connection: Upgrade", "Upgrade: test"),
    );
    const behind = await stage.behind.accept();
    const got = undated(await client.head());
    send(client, content);
    assertBytes(await behind.read(content.length), content);
    behind.socket.end("over");
    return [got, (await client.rest()).toString()];
  });

run();
