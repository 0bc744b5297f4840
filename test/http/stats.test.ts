/** What stats() says of an unchanged Express under the preload, with compression and without. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Stats } from "sluice/stream";
import { settles } from "../support/wait.ts";
import { App } from "./support/app.ts";
import { hasEngine, preload } from "./support/compare.ts";
import { makeContent, type Size, sizes } from "./support/content.ts";
import { visit } from "./support/visit.ts";

const content = makeContent();
const textBytes = 400_000;
writeFileSync(join(content.folder, "text.txt"), "text ".repeat(textBytes / 5));

type Row = Stats["streams"][number];

const sum = (rows: readonly Row[], field: "streams" | "bytes"): number =>
  rows.reduce((total, row) => total + row[field], 0);

const rowsOf = async (app: App): Promise<readonly Row[]> => ((await app.ask("stats")) as Stats).streams;

/** The rows once so many streams and bytes have been counted, which is when they have closed. */
async function rowsAfter(app: App, streams: number, bytes: number): Promise<readonly Row[]> {
  await settles(async () => {
    const rows = await rowsOf(app);
    return sum(rows, "streams") >= streams && sum(rows, "bytes") >= bytes;
  });
  const rows = await rowsOf(app);
  assert.is(sum(rows, "streams"), streams, JSON.stringify(rows));
  assert.is(sum(rows, "bytes"), bytes, JSON.stringify(rows));
  return rows;
}

for (const packageName of ["express", "express4"]) {
  const test = suite(`stats() of ${packageName}`);
  const start = () => App.start({ script: "express", args: [content.folder, packageName], execArgv: preload });

  if (hasEngine)
    test("files count once, by the mechanism", async () => {
      await using app = await start();
      const names: Size[] = ["1k", "64k", "300k", "1m", "16m"];
      for (const way of ["static", "send-file", "pipe"])
        for (const name of names) await visit(app, `${way}-${name}`, { path: `/${way}/${name}.bin` });
      const bytes = 3 * names.reduce((total, name) => total + sizes[name], 0);
      const rows = await rowsAfter(app, 3 * names.length, bytes);
      // What is as small as that may be cheaper without.
      const native = rows.filter(({ way }) => way !== "portable");
      assert.ok(sum(native, "bytes") >= 3 * (sizes["300k"] + sizes["1m"] + sizes["16m"]), JSON.stringify(rows));
      const { engine } = (await app.ask("stats")) as Stats;
      assert.is(engine?.jobs.running, 0);
      assert.ok((engine?.jobs.done ?? 0) > 0);
    });

  if (hasEngine)
    test("ranges count their own bytes; HEAD and 304 nothing", async () => {
      await using app = await start();
      await visit(app, "range", { path: "/static/1m.bin", headers: { range: "bytes=1000-500999" } });
      await visit(app, "head", { path: "/static/1m.bin", method: "HEAD" });
      await visit(app, "same", {
        path: "/static/1m.bin",
        headers: { "if-modified-since": "Wed, 15 Nov 2023 00:00:00 GMT" },
      });
      await rowsAfter(app, 1, 500_000);
    });

  if (hasEngine)
    test("under compression() files count as portable, with the bytes of the file and the reason", async () => {
      await using app = await start();
      const headers = { "accept-encoding": "gzip" };
      for (const id of ["one", "two", "three"]) await visit(app, id, { path: "/compressed/text.txt", headers });
      await visit(app, "binary", { path: "/compressed/300k.jpg", headers });
      const rows = await rowsAfter(app, 4, 3 * textBytes + sizes["300k"]);
      assert.equal(rows, [
        {
          way: "portable",
          reason: "the response's write has been replaced",
          streams: 4,
          bytes: 3 * textBytes + sizes["300k"],
        },
      ]);
      await visit(app, "without", { path: "/static/1m.bin" });
      await rowsAfter(app, 5, 3 * textBytes + sizes["300k"] + sizes["1m"]);
    });

  test.run();
}
