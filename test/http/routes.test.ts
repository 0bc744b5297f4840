/** Every way of answering with a file that node:http offers: the same with the preload and without. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { sha256 } from "../support/data.ts";
import type { Route } from "./apps/route.ts";
import { families } from "./apps/routes.ts";
import { assertSame, both, hasEngine, startPair } from "./support/compare.ts";
import { isLarge, makeContent, type Size, sizes } from "./support/content.ts";
import { RawClient } from "./support/raw.ts";
import { visit } from "./support/visit.ts";

const content = makeContent();
const pair = await startPair({ script: "plain", args: [content.folder] });

/** The bodies that the routes of a family are tried with. */
const bodies: Readonly<Record<keyof typeof families, readonly Size[]>> = {
  whole: ["empty", "1k", "4k", "64k", "300k", "16m"],
  options: ["empty", "1k", "300k", "16m"],
  statuses: ["1k", "300k"],
  refused: ["1k", "300k", "16m"],
  parts: ["1k", "64k", "300k", "1m", "16m"],
  corked: ["1k", "4k"],
};

for (const [family, tried] of Object.entries(bodies)) {
  const test = suite(`node:http, ${family}`);
  for (const [name, { taken, leavesOpen }] of Object.entries<Route>(families[family as keyof typeof families]))
    test(`${name} is the same with the preload, ${taken === false ? "untouched" : "taken over"}`, async () => {
      for (const size of tried)
        await assertSame(
          pair,
          `${name} ${size}`,
          { path: `/${name}/${size}.bin`, leavesOpen },
          // A small body may go either way; what is not to be taken over is not to be at any size.
          taken && !isLarge(sizes[size]) ? undefined : taken,
        );
    });
  test.run();
}

const test = suite("node:http, requests");

test("the bytes are the file's", async () => {
  for (const size of ["1k", "64k", "16m"] as const) {
    const answer = await assertSame(pair, `bytes ${size}`, { path: `/pipe/${size}.bin` }, undefined);
    assert.is(answer.sha256, sha256(content.bytes[size]));
    assert.is(answer.connection, "kept");
  }
});

test("a body that is taken over is taken over from its first byte to its last", async () => {
  await pair.on.published();
  for (const route of ["pipe", "chunked", "pipeline", "write-before"])
    await visit(pair.on, `native ${route}`, { path: `/${route}/16m.bin` });
  const ways = (await pair.on.published()).map(({ native, bytes }) => ({ native, bytes }));
  assert.equal(ways, Array(4).fill(hasEngine ? { native: true, bytes: sizes["16m"] } : { native: false, bytes: 0 }));
});

test("each part of a body that has several is taken over, and all of it", async () => {
  await pair.on.published();
  const counts = {
    "two-parts": 2,
    "two-parts-flushed": 2,
    "two-chunked-parts": 2,
    "two-parts-by-pipeline": 2,
    "many-parts": 8,
  };
  for (const [route, count] of Object.entries(counts)) {
    await visit(pair.on, `parts ${route}`, { path: `/${route}/16m.bin` });
    const published = await pair.on.published();
    const bytes = published.reduce((sum, each) => sum + each.bytes, 0);
    assert.equal([published.length, bytes], [count, hasEngine ? sizes["16m"] : 0], route);
  }
});

test("socket.bytesWritten counts what was taken over, with the head and with requests before it", async () => {
  const counts = await both(pair, async (app) => {
    const client = await RawClient.connect(app);
    using _ = client;
    const seen: unknown[] = [];
    for (const size of ["1k", "16m", "64k"] as const) {
      client.request(`/pipe/${size}.bin?case=count-${size}`);
      await client.head();
      await client.read(sizes[size]);
      await app.finished(`count-${size}`);
      seen.push(await app.ask("bytesWritten"));
    }
    return seen;
  });
  assert.equal(counts.on, counts.off);
});

test.after(async () => await pair[Symbol.asyncDispose]());
test.run();
