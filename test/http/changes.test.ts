/** Files that are cut off or grow while they are sent. */
import { appendFileSync, copyFileSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { assertBytes, data, MiB } from "../contract/support/files.ts";
import { sha256 } from "../support/data.ts";
import type { App } from "./support/app.ts";
import { both, startPair } from "./support/compare.ts";
import { makeContent } from "./support/content.ts";
import { RawClient } from "./support/raw.ts";
import { visit } from "./support/visit.ts";

const content = makeContent();
const whole = content.bytes["16m"];
const pair = await startPair({ script: "plain", args: [content.folder] });
const test = suite("files that change");

/** More than what the kernel can hold for a client that stands still. */
const cut = 13 * MiB;
const growth = data(MiB, 9);

/** Asks for a copy of the large file and stands still after its first MiB. */
async function begin(
  app: App,
  name: string,
  route: string,
): Promise<{ path: string; client: RawClient; first: Buffer }> {
  const path = join(content.folder, name);
  copyFileSync(content.path("16m"), path);
  const client = await RawClient.connect(app);
  client.request(`/${route}/${name}?case=${name}`);
  const { headers } = await client.head();
  assert.is(headers["content-length"], String(whole.length));
  return { path, client, first: await client.read(MiB) };
}

for (const route of ["pipe", "pipeline"])
  test(`a file that is cut off breaks the connection off and pads nothing, by ${route}`, async () => {
    const app = pair.on;
    const name = `cut-${route}`;
    const { path, client, first } = await begin(app, name, route);
    using _ = client;
    truncateSync(path, cut);
    const received = Buffer.concat([first, await client.rest()]);
    assert.ok(received.length <= cut, `${received.length} bytes came of ${cut}`);
    assertBytes(received, whole.subarray(0, received.length));
    const { answer } = await visit(app, `${name}-next`, { path: "/pipe/300k.bin" });
    assert.is(answer.sha256, sha256(content.bytes["300k"]), "the next request is unharmed");
  });

test("a file that is cut off in a chunked response comes to where it ends now, or is broken off", async () => {
  const path = join(content.folder, "cut-chunked");
  copyFileSync(content.path("16m"), path);
  const midway = () => truncateSync(path, cut);
  const { answer } = await visit(pair.on, "cut-chunked", { path: "/chunked/cut-chunked", midway });
  assert.ok(answer.bytes <= cut);
  assert.is(answer.sha256, sha256(whole.subarray(0, answer.bytes)));
  assert.ok(answer.error !== undefined || answer.bytes === cut, `${answer.bytes} bytes came as if they were all`);
});

for (const route of ["pipe", "pipeline"])
  test(`a file that grows is sent as long as was promised, by ${route}`, async () => {
    const app = pair.on;
    const name = `grown-${route}`;
    const { path, client, first } = await begin(app, name, route);
    using _ = client;
    appendFileSync(path, growth);
    const rest = await client.read(whole.length - first.length);
    assertBytes(Buffer.concat([first, rest]), whole);
    await app.finished(name);
    client.request("/ping");
    const { status } = await client.head();
    assert.is(status, 200, "not one byte more came");
    assert.is((await client.read(4)).toString(), "pong");
  });

test("a file that grows comes with what has grown in a chunked response, as without the preload", async () => {
  const answers = await both(pair, async (app) => {
    const name = app === pair.on ? "grown-on" : "grown-off";
    const path = join(content.folder, name);
    copyFileSync(content.path("16m"), path);
    const { answer } = await visit(app, name, { path: `/chunked/${name}`, midway: () => appendFileSync(path, growth) });
    return answer;
  });
  assert.equal(answers.on, answers.off);
  assert.is(answers.on.sha256, sha256(whole, growth));
});

test.after(async () => await pair[Symbol.asyncDispose]());
test.run();
