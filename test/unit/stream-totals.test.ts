/** The table of ways and reasons: bounded, whatever the reasons are. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { count, streamTotals } from "#lib/streams/totals.js";

test("numbers of bytes make no rows of their own, versions do", () => {
  for (let bytes = 100; bytes < 5000; bytes++)
    count("portable", `expected ${bytes} more bytes, Linux 6.${bytes}`.replace(/6\.\d+/, "6.33"), 1, 0);
  assert.equal(streamTotals(), [
    { way: "portable", reason: "expected N more bytes, Linux 6.33", streams: 4900, bytes: 0 },
  ]);
});

test("past 64 rows a new reason counts as other, and the ones before go on", () => {
  for (let each = 0; each < 1000; each++) count("sendfile", `reason ${"x".repeat(each)}`, 1, 10);
  count("splice", "new", 1, 5);
  count("sendfile", "reason x", 1, 10);
  const rows = streamTotals();
  assert.is(rows.length, 64 + 2);
  assert.equal(rows.slice(-2), [
    { way: "sendfile", reason: "other", streams: 1000 - 63, bytes: 10 * (1000 - 63) },
    { way: "splice", reason: "other", streams: 1, bytes: 5 },
  ]);
  assert.equal(
    rows.find(({ reason }) => reason === "reason x"),
    {
      way: "sendfile",
      reason: "reason x",
      streams: 2,
      bytes: 20,
    },
  );
  assert.is(
    rows.reduce((total, { streams }) => total + streams, 0),
    4900 + 1000 + 2,
  );
});

test.run();
