/** What tells versions of a file apart for `file()`: times that nobody's clock gave say nothing (RFC 9110, 8.8). */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { assert, test } from "../support/contract.ts";
import { tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { ask, request, serveFiles } from "./support/fetch.ts";

const versions = ["API=v1 // A\n", "API=v2 // B\n"] as const;

/** Seconds. */
const hourAhead = Math.floor(Date.now() / 1000) + 3600;
const builders: Readonly<Record<string, number>> = {
  "the epoch (Bazel)": 0,
  "a second after it (Nix)": 1,
  "half a second after it": 0.5,
  "before it": -1,
  "1980 (zip)": 315_532_800,
  "1985 (npm)": 499_162_500,
  "an hour from now": hourAhead,
  "the year 2096": 4_000_000_000,
};

const isAhead = (time: number): boolean => time >= hourAhead;

/** A folder with one file of that time, and a way to put the next version in its place. */
function site(time: number, name = "app.js") {
  const root = tempFolder();
  const path = join(root, name);
  const write = (content: string, at: string) => {
    fs.writeFileSync(at, content);
    // Node takes a negative time for the present one.
    execFileSync("touch", ["-d", `@${time}`, at]);
  };
  write(versions[0], path);
  return {
    root,
    /** As a build does that writes over its last output. */
    overwrite: () => write(versions[1], path),
    /** As a deployment does. */
    replace: () => {
      write(versions[1], `${path}.new`);
      fs.renameSync(`${path}.new`, path);
    },
    /** The kernel's clock for inodes moves every few milliseconds: a change of the same tick isn't one of these. */
    tick: async () => {
      const before = fs.statSync(path).ctimeMs;
      const probe = join(root, "probe");
      await waitFor("the clock of the filesystem", () => {
        fs.writeFileSync(probe, "");
        return fs.statSync(probe).ctimeMs > before;
      });
    },
  };
}

for (const [what, time] of Object.entries(builders))
  for (const change of ["overwrite", "replace"] as const)
    test(`file() tells versions of the time ${what} apart (${change})`, {}, async () => {
      const place = site(time);
      const first = await ask("/app.js", { root: place.root }, { method: "HEAD" });
      const etag = first.headers.get("etag");
      const lastModified = first.headers.get("last-modified");
      assert.match(etag ?? "", /^W\/"[^"]+"$/);
      if (!isAhead(time)) assert.is(lastModified, null);
      else assert.ok(Date.parse(lastModified ?? "") <= Date.now(), lastModified ?? "none");
      // Nothing has changed yet.
      const known = await ask("/app.js", { root: place.root }, { headers: { "if-none-match": etag ?? "" } });
      assert.is(known.status, 304);
      await place.tick();
      place[change]();
      const dates = [new Date(time * 1000).toUTCString(), lastModified ?? new Date(1000).toUTCString()];
      const conditions: Record<string, string>[] = [
        { "if-none-match": etag ?? "" },
        ...dates.flatMap((date) => [{ "if-modified-since": date }, { range: "bytes=3-", "if-range": date }]),
        { range: "bytes=3-", "if-range": etag ?? "" },
        { range: "bytes=3-", "if-range": (etag ?? "").replace("W/", "") },
      ];
      for (const headers of conditions) {
        const response = await ask("/app.js", { root: place.root }, { headers });
        assert.is(response.status, 200, JSON.stringify(headers));
        assert.is(await response.text(), versions[1]);
      }
    });

test("file() keeps the tag of a file whose time says nothing while that is the same", {}, async () => {
  const { root } = site(1);
  const tags = new Set<string | null>();
  for (let i = 0; i < 3; i++) tags.add((await ask("/app.js", { root }, { method: "HEAD" })).headers.get("etag"));
  assert.is(tags.size, 1);
});

test("file() gives each coding of a file whose time says nothing its own tag", {}, async () => {
  const { root } = site(1);
  fs.copyFileSync(join(root, "app.js"), join(root, "app.js.gz"));
  fs.utimesSync(join(root, "app.js.gz"), 1, 1);
  const tag = async (accept: string) =>
    (await ask("/app.js", { root }, { method: "HEAD", headers: { "accept-encoding": accept } })).headers.get("etag");
  assert.match((await tag("gzip")) ?? "", /-gzip"$/);
  assert.is.not(await tag("gzip"), await tag("identity"));
});

test("file() ignores If-Unmodified-Since where there is no such date, and refuses it for one to come", {}, async () => {
  const since = { headers: { "if-unmodified-since": new Date(Date.now() - 86_400_000).toUTCString() } };
  const without = await ask("/app.js", { root: site(1).root }, since);
  assert.is(without.status, 200);
  await without.body?.cancel();
  const ahead = await ask("/app.js", { root: site(hourAhead).root }, since);
  assert.is(ahead.status, 412);
});

test("serve() sends its Date in the place of a Last-Modified that is still to come", {}, async () => {
  const { root } = site(hourAhead);
  await using server = await serveFiles({ root });
  for (const method of ["GET", "HEAD"]) {
    const { headers } = await request(server, "/app.js", { method });
    const [date, modified] = [headers.date, headers["last-modified"]].map((text) => Date.parse(text ?? ""));
    assert.is(modified, date);
    assert.ok((date ?? Number.NaN) <= Date.now(), headers.date);
  }
});
