/** Where uploads go, what is counted of them, and what an app, or a release of Node, may have otherwise. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { mountTmpfs } from "../contract/support/limits.ts";
import { assertBytes, MiB } from "../contract/support/files.ts";
import { unmet } from "../support/needs.ts";
import { tempFolder } from "../support/temp.ts";
import { App } from "./support/app.ts";
import { hasEngine, preload } from "./support/compare.ts";
import { RawClient } from "./support/raw.ts";
import { answer, body, fate, head, readAnswer, scenes, send, undated } from "./support/scene.ts";

const { scene, run } = scenes("where uploads go");
const content = body(400, 8 * MiB);
const isRoot = (await unmet(["root"])) === undefined;

scene("a file that is appended to keeps what it has", {}, async (stage) => {
  writeFileSync(stage.path(), "before");
  const client = await stage.client();
  send(client, head("POST", stage.upload("append"), content.length), content);
  const seen = await readAnswer(client);
  assertBytes(stage.stored(), Buffer.concat([Buffer.from("before"), content]));
  return [seen, await fate(client)];
});

for (const [what, place] of [
  ["a folder that isn't there", "=/nowhere/at/all"],
  ["a folder", "=/"],
] as const)
  for (const way of ["pipeline", "promised"])
    scene(`an upload by ${way} into ${what} fails as it does`, { native: 0 }, async (stage) => {
      const client = await stage.client();
      send(client, head("POST", stage.upload(way, 1, place), content.length), content.subarray(0, MiB));
      const status = (await client.head().catch(() => undefined))?.status;
      // Node leaves a connection open whose upload it has given up, until it has been idle for long.
      await stage.app.ask("closeAll");
      return status;
    });

if (isRoot)
  for (const way of ["pipe", "pipeline", "promised"])
    scene(`a disk that is full in the midst of an upload by ${way} is told of`, { racing: true }, async (stage) => {
      const disk = mountTmpfs("4m");
      const client = await stage.client();
      const file = `=${encodeURIComponent(join(disk, "file"))}`;
      send(client, head("POST", stage.upload(way, 1, file), content.length), content);
      await stage.saw("concluded");
      const { entries } = await stage.app.log(stage.ids[0] ?? "");
      await client.untilQuiet();
      await stage.app.ask("closeAll");
      return entries.filter(({ event }) => event === "concluded").map(({ state }) => state);
    });

scene("what a connection has read and written is counted to the byte", { native: 1, counts: true }, async (stage) => {
  const client = await stage.client();
  client.socket.write(head("GET", stage.proxy("pipe"), undefined));
  const behind = await stage.behind.accept();
  await behind.head();
  send(behind, answer(content.length), content);
  const got = undated(await client.head());
  assertBytes(await client.read(content.length), content);
  await stage.saw("counted");
  return [got, client.socket.bytesRead, await fate(client)];
});

scene("an upload goes to a connection of the app's own", {}, async (stage) => {
  const client = await stage.client();
  send(client, head("POST", stage.upload("socket"), content.length), content);
  const behind = await stage.behind.accept();
  const rest = await behind.rest();
  assertBytes(rest, content);
  return [await readAnswer(client), await fate(client)];
});

scene("requests that overlap each have a store of their own", { native: 6, racing: true }, async (stage) => {
  // Each log is looked through for the store of another.
  const clients = await Promise.all(Array.from({ length: 6 }, () => stage.client()));
  const bodies = clients.map((_, index) => body(410 + index, 2 * MiB + index));
  const seen = clients.map(async (client, index) => {
    const bytes = bodies[index] ?? Buffer.alloc(0);
    const way = index % 2 === 0 ? "pipe" : "pipeline";
    send(client, head("POST", stage.upload(way, index + 1), bytes.length), bytes);
    const told = await readAnswer(client);
    assertBytes(stage.stored(index + 1), bytes);
    return told;
  });
  return await Promise.all(seen);
});

run();

const own = scenes("an app with messages of its own classes", { args: ["own-classes"] });

own.scene("an upload and an answer come whole", {}, async (stage) => {
  const client = await stage.client();
  send(client, head("POST", stage.upload("pipe"), content.length), content);
  const seen = await readAnswer(client);
  assertBytes(stage.stored(), content);
  client.socket.write(head("GET", stage.proxy("pipe", 2), undefined));
  const behind = await stage.behind.accept();
  await behind.head();
  send(behind, answer(content.length), content);
  const got = undated(await client.head());
  assertBytes(await client.read(content.length), content);
  return [seen, got, await fate(client)];
});

own.run();

const lenient = scenes("a lenient parser", { execArgv: ["--insecure-http-parser", "--no-warnings"] });

lenient.scene("chunks count where there is a length, too", { native: 0, peersOnly: true }, async (stage) => {
  const client = await stage.client();
  const chunk = Buffer.concat([
    Buffer.from(`${content.length.toString(16)}\r\n`),
    content,
    Buffer.from("\r\n0\r\n\r\n"),
  ]);
  const lines = head("POST", stage.upload("pipe"), content.length, "Transfer-Encoding: chunked");
  send(client, lines, chunk);
  const seen = await readAnswer(client).catch((error: Error) => error.message);
  assertBytes(stage.stored(), content);
  return seen;
});

lenient.run();

const missing = suite("a Node without something that is relied on");

/** Takes away what the parser is asked before it is told anything. */
const takeAway = `import { HTTPParser } from "node:_http_common"; delete HTTPParser.prototype.getCurrentBuffer;`;

missing("leaves bodies to Node, with a reason", async () => {
  const without = ["--no-deprecation", "--import", `data:text/javascript,${encodeURIComponent(takeAway)}`];
  await using app = await App.start({ script: "bodies", args: [tempFolder()], execArgv: [...without, ...preload] });
  const client = await RawClient.connect(app);
  using _ = client;
  send(client, head("POST", "/upload/pipe/file?case=missing", content.length), content);
  await readAnswer(client);
  const published = await app.published();
  assert.equal(
    published.map(({ native }) => native),
    [false],
  );
  if (hasEngine) assert.match(published[0]?.reason ?? "", /parser|trial/);
  // It may have warned of a trial that failed.
  assert.type(app.output, "string");
});

missing.run();
