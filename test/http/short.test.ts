/** What a response has promised by its Content-Length comes, or its connection ends: no answer is read as another's body. */
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { KiB, MiB } from "../contract/support/files.ts";
import { root } from "../support/root.ts";
import { candidates, locate } from "../support/runtimes.ts";
import { tempFolder } from "../support/temp.ts";
import { App } from "./support/app.ts";
import { hasEngine } from "./support/compare.ts";
import { RawClient } from "./support/raw.ts";

/** Bytes that are left of a file of `total` bytes that is promised from `start` on. */
type Cut = readonly [left: number, start: number, total: number];

const cuts: readonly Cut[] = [
  [0, 0, 14],
  [5_000, 0, 10_000],
  [500, 1_000, 14_920],
  [1_000, 1_000, 14_920],
  [0, 0, 100 * KiB],
  [50 * KiB, 0, 100 * KiB],
  [100 * KiB, 0, 300 * KiB],
  [100 * KiB, 200 * KiB, 300 * KiB],
  [MiB, 0, 3 * MiB],
  [2 * MiB + 1, MiB, 3 * MiB],
];

const before: Readonly<Record<string, readonly string[]>> = {
  "at once": [],
  "behind a slow answer": ["/slow"],
  "on a connection that has served": ["/next", "/next"],
};

/** What nobody can know: how much an answer had said already, on a connection that had served, when it was piped to. */
const isUnknown = (way: string, place: string): boolean =>
  (way === "written" || way === "flushed") && place === "on a connection that has served";

const ways = [
  ..."pipe pipeline no-end no-end-pipeline with-head late halves footer watched by-hand".split(" "),
  ..."written flushed".split(" "),
];

/** Asks for what comes before, for the file, and for one more answer, which must not come if the file was short. */
async function ask(app: App, way: string, cut: Cut, place: string): Promise<{ text: string; ended: boolean }> {
  const client = await RawClient.connect(app);
  using _ = client;
  const first = before[place] ?? [];
  if (place === "on a connection that has served")
    for (const path of first) {
      client.request(path);
      await client.head();
      await client.read(4);
    }
  const pipelined = place === "behind a slow answer" ? first : [];
  client.request(...pipelined, `/${way}/${cut.join("/")}`, "/next");
  for (const _path of pipelined) {
    await client.head();
    await client.read(4);
  }
  const { headers } = await client.head();
  const promised = Number(headers["content-length"]);
  assert.ok(promised > 0);
  const text = (await client.rest()).toString("latin1");
  assert.ok(text.length < promised, `${text.length} bytes came of ${promised}, which is a whole answer`);
  // It is not the client that has lost its patience.
  return { text, ended: client.error === undefined || client.error === "ECONNRESET" };
}

const loading: Readonly<Record<string, readonly string[]>> = {
  node: ["--import", "sluice/register"],
  deno: ["--preload", join(root, "dist/lib/deno/register.js")],
};

for (const candidate of candidates.usual) {
  const preload = loading[candidate.name];
  if (preload === undefined || !hasEngine) continue;
  const test = suite(`promises, on ${candidate.name}`);
  const isNode = candidate.name === "node";
  const located = locate(candidate);
  let app: App;
  test.before(async () => {
    const [execPath, ...execArgv] = isNode ? [process.execPath] : (await located).command;
    app = await App.start({ script: "short", args: [tempFolder()], execArgv: [...execArgv, ...preload], execPath });
  });
  for (const place of Object.keys(before))
    for (const way of ways) {
      if (isUnknown(way, place)) continue;
      test(`a file that turns out too short ends the connection, by ${way}, ${place}`, async () => {
        const answers = await Promise.all(cuts.map((cut) => ask(app, way, cut, place)));
        for (const [index, { text, ended }] of answers.entries()) {
          const what = `${way} ${cuts[index]?.join("/")}`;
          assert.ok(ended, `${what}: the connection was kept, and gave ${JSON.stringify(text.slice(-60))}`);
          assert.match(text.replaceAll("the footer", ""), /^A*$/, `${what}: there is something else in the body`);
        }
      });
    }
  test.after(async () => await app[Symbol.asyncDispose]());
  test.run();
}
