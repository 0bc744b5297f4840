/** What an app does to a stream that is under way: the client stands still meanwhile, so that it is. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { assertBytes, MiB } from "../contract/support/files.ts";
import { sha256 } from "../support/data.ts";
import type { App } from "./support/app.ts";
import { assertSameCourse, assertTaken, both, startPair } from "./support/compare.ts";
import { makeContent } from "./support/content.ts";
import { RawClient } from "./support/raw.ts";

const content = makeContent();
const whole = content.bytes["16m"];
const pair = await startPair({ script: "plain", args: [content.folder] });
const test = suite("meddling with a stream that is under way");

/** Asks for the large file by a route and reads its first MiB. */
async function begin(app: App, id: string, route = "hold"): Promise<{ client: RawClient; first: Buffer }> {
  const client = await RawClient.connect(app);
  client.request(`/${route}/16m.bin?case=${id}`);
  assert.is((await client.head()).status, 200);
  return { client, first: await client.read(MiB) };
}

/** Meddles mid-way and expects the whole body, in both apps, with the same log. */
async function assertWhole(id: string, acts: readonly string[]): Promise<void> {
  const logs = await both(pair, async (app) => {
    const { client, first } = await begin(app, id);
    using _ = client;
    for (const act of acts) await app.ask("meddle", id, act);
    const rest = await client.read(whole.length - first.length);
    assertBytes(Buffer.concat([first, rest]), whole, id);
    client.request("/ping");
    assert.is((await client.head()).status, 200, "the connection serves on");
    return await app.finished(id);
  });
  assertSameCourse(logs);
}

test("a response that nobody meddles with is taken over", async () => {
  await pair.on.published();
  await assertWhole("untouched", []);
  await assertTaken(pair.on, true);
});

test("unpipe() and pipe() again send every byte once", () => assertWhole("unpipe", ["unpipe", "pipe"]));

test("pause() and resume() send every byte once", () => assertWhole("pause", ["pause", "resume"]));

test("a 'data' listener added mid-way sees the rest, and the client everything", () =>
  assertWhole("listener", ["add-listener"]));

test("unpipe() stops the bytes until pipe() is called again", async () => {
  await both(pair, async (app) => {
    const id = "stopped";
    const { client, first } = await begin(app, id);
    using _ = client;
    await app.ask("meddle", id, "unpipe");
    const underWay = await client.untilQuiet();
    assert.ok(first.length + underWay.length < whole.length, "it did not stop");
    const { bytesRead } = (await app.ask("meddle", id, "state")) as { bytesRead: number };
    await app.ask("meddle", id, "pipe");
    const rest = await client.read(whole.length - first.length - underWay.length);
    assertBytes(Buffer.concat([first, underWay, rest]), whole);
    assert.ok(bytesRead >= first.length + underWay.length, "bytesRead counts at least what the client has");
  });
});

test("a second target added mid-way gets the rest of the file, and the client everything", async () => {
  await both(pair, async (app) => {
    const id = "second";
    const { client, first } = await begin(app, id);
    using _ = client;
    await app.ask("meddle", id, "add-target");
    const rest = await client.read(whole.length - first.length);
    assertBytes(Buffer.concat([first, rest]), whole);
    const entries = await app.finished(id);
    const got = entries.find(({ event }) => event === "added target")?.state;
    const bytes = Number(got?.["bytes"]);
    assert.ok(bytes > 0 && bytes < whole.length, `the second target got ${bytes} bytes`);
    assert.is(got?.["sha256"], sha256(whole.subarray(whole.length - bytes)));
  });
});

for (const act of ["destroy", "fail", "abort"])
  test(`${act} of the source mid-way leaves the response as Node does`, async () => {
    const logs = await both(pair, async (app) => {
      const { client, first } = await begin(app, act);
      using _ = client;
      await app.ask("meddle", act, act);
      const underWay = await client.untilQuiet();
      assertBytes(Buffer.concat([first, underWay]), whole.subarray(0, first.length + underWay.length));
      assert.ok(first.length + underWay.length < whole.length, "it went on");
      assert.is(client.socket.readyState, "open", "nobody ended the connection");
      client[Symbol.dispose]();
      return await app.finished(act);
    });
    assertSameCourse(logs);
  });

for (const act of ["destroy", "fail", "abort", "destroy-response"])
  test(`${act} mid-way in a pipeline() breaks the connection off as Node does`, async () => {
    const id = `pipeline-${act}`;
    const logs = await both(pair, async (app) => {
      const { client, first } = await begin(app, id, "hold-pipeline");
      using _ = client;
      await app.ask("meddle", id, act);
      const rest = await client.rest();
      assertBytes(Buffer.concat([first, rest]), whole.subarray(0, first.length + rest.length));
      assert.ok(first.length + rest.length < whole.length);
      return await app.finished(id);
    });
    assertSameCourse(logs);
  });

test.after(async () => await pair[Symbol.asyncDispose]());
test.run();
