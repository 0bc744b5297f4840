/** Ranges of `file()`: RFC 9110, 14, against what Buffer.subarray says. */
import * as fc from "fast-check";
import * as fs from "node:fs";
import { join } from "node:path";
import parseRange from "range-parser";
import { assert, test } from "../support/contract.ts";
import { takeFdCensus } from "../support/fds.ts";
import { checkAsync } from "../support/property.ts";
import { tempFolder } from "../support/temp.ts";
import { ask, bytesOf } from "./support/fetch.ts";
import { assertBytes, data } from "./support/files.ts";

const size = 300_000;
const content = data(size);

function root(): string {
  const folder = tempFolder();
  fs.writeFileSync(join(folder, "data.bin"), content);
  fs.writeFileSync(join(folder, "empty.txt"), "");
  const old = new Date(Date.now() - 86_400_000);
  fs.utimesSync(join(folder, "data.bin"), old, old);
  return folder;
}

const get = (folder: string, range: string, headers: Record<string, string> = {}) =>
  ask("/data.bin", { root: folder }, { headers: { range, ...headers } });

interface PartOfBody {
  readonly headers: Record<string, string>;
  readonly body: Buffer;
}

/** Takes a multipart body apart, by its boundary and nothing else. */
function splitMultipart(type: string, body: Buffer): PartOfBody[] {
  const boundary = /^multipart\/byteranges; boundary=(\S+)$/.exec(type)?.[1];
  const text = body.toString("latin1");
  const [before, ...sections] = text.split(`\r\n--${boundary}`);
  assert.is(before, "");
  assert.is(sections.pop(), "--\r\n");
  return sections.map((section) => {
    const end = section.indexOf("\r\n\r\n");
    const lines = section
      .slice(2, end)
      .split("\r\n")
      .map((line) => line.split(": ") as [string, string]);
    return { headers: Object.fromEntries(lines), body: Buffer.from(section.slice(end + 4), "latin1") };
  });
}

const position = fc.oneof(fc.integer({ min: 0, max: size + 10 }), fc.constantFrom(0, 1, size - 1, size, size + 1));

test("file() sends one range as Buffer.subarray would", {}, async () => {
  const folder = root();
  await checkAsync(
    fc.asyncProperty(position, fc.option(position, { nil: undefined }), async (first, last) => {
      const response = await get(folder, `bytes=${first}-${last ?? ""}`);
      const invalid = last !== undefined && last < first;
      if (first >= size || invalid) {
        assert.is(response.status, 416);
        assert.is(response.headers.get("content-range"), `bytes */${size}`);
        return;
      }
      const expected = content.subarray(first, (last ?? size) + 1);
      assert.is(response.status, 206);
      assert.is(response.headers.get("content-length"), String(expected.length));
      assert.is(response.headers.get("content-range"), `bytes ${first}-${first + expected.length - 1}/${size}`);
      assertBytes(await bytesOf(response), expected);
    }),
    150,
  );
});

test("file() sends a suffix, all of the file where it is longer", {}, async () => {
  const folder = root();
  await checkAsync(
    fc.asyncProperty(fc.oneof(position, fc.constantFrom(1e9, 1e30)), async (count) => {
      const response = await get(folder, `bytes=-${count.toLocaleString("en", { useGrouping: false })}`);
      if (count === 0) return assert.is(response.status, 416);
      assert.is(response.status, 206);
      assertBytes(await bytesOf(response), content.subarray(Math.max(0, size - count)));
    }),
    80,
  );
});

test("file() sends several ranges as multipart/byteranges, without overlaps", {}, async () => {
  const folder = root();
  const range = fc.tuple(fc.integer({ min: 0, max: size - 1 }), fc.integer({ min: 0, max: 5000 }));
  await checkAsync(
    fc.asyncProperty(fc.array(range, { minLength: 2, maxLength: 8 }), async (ranges) => {
      const header = `bytes=${ranges.map(([start, length]) => `${start}-${start + length}`).join(", ")}`;
      const response = await get(folder, header);
      const expected = parseRange(size, header, { combine: true });
      assert.instance(expected, Array);
      const body = await bytesOf(response);
      assert.is(response.status, 206);
      assert.is(response.headers.get("content-length"), String(body.length));
      const [one, ...others] = expected as parseRange.Ranges;
      if (one !== undefined && others.length === 0) return assertBytes(body, content.subarray(one.start, one.end + 1));
      assert.is(response.headers.get("content-range"), null);
      const parts = splitMultipart(response.headers.get("content-type") ?? "", body);
      assert.equal(
        parts.map(({ headers }) => headers["Content-Range"]),
        (expected as parseRange.Ranges).map(({ start, end }) => `bytes ${start}-${end}/${size}`),
      );
      for (const part of parts) {
        assert.is(part.headers["Content-Type"], "application/octet-stream");
        const [, start, end] = /(\d+)-(\d+)/.exec(part.headers["Content-Range"] ?? "") ?? [];
        assertBytes(part.body, content.subarray(Number(start), Number(end) + 1));
      }
    }),
    60,
  );
});

test("file() answers any Range header with a 200, a 206 or a 416 that is consistent", {}, async () => {
  const folder = root();
  const piece = fc.oneof(
    fc.constantFrom("bytes", "BYTES", "items", "=", "-", ",", " ", "0", "1", "99999999999999999999999", "x", "\t"),
    fc.integer().map(String),
  );
  await checkAsync(
    fc.asyncProperty(fc.array(piece, { maxLength: 12 }), fc.boolean(), async (pieces, prefixed) => {
      const response = await get(folder, (prefixed ? "bytes=" : "") + pieces.join(""));
      const body = await bytesOf(response);
      assert.is(response.headers.get("content-length"), String(body.length));
      assert.ok([200, 206, 416].includes(response.status));
      if (response.status === 200) assertBytes(body, content);
      assert.is(
        response.headers.get("content-range") === null,
        response.status === 200 || (response.headers.get("content-type") ?? "").startsWith("multi"),
      );
    }),
    300,
  );
});

test("file() ignores a header of more ranges than anybody needs", { alone: true, needs: ["proc"] }, async () => {
  const folder = root();
  const hostile = [
    `bytes=${Array.from({ length: 100_000 }, (_, i) => `${i * 2}-${i * 2}`).join(",")}`,
    `bytes=${"0-,".repeat(100_000)}0-`,
    `bytes=${",".repeat(1000)}`,
    `bytes=${Array.from({ length: 33 }, (_, i) => `${i * 2}-${i * 2}`).join(",")}`,
    `bytes=${"9".repeat(5000)}-`,
  ];
  await (await get(folder, "bytes=0-0")).body?.cancel();
  const census = await takeFdCensus();
  for (const range of hostile) {
    const response = await get(folder, range);
    assert.is(response.status, 200, range.slice(0, 30));
    assertBytes(await bytesOf(response), content);
  }
  await census.assertUnchanged();
});

test("file() heeds If-Range by an exact date alone, since its tags are weak", {}, async () => {
  const folder = root();
  const head = await ask("/data.bin", { root: folder }, { method: "HEAD" });
  const date = head.headers.get("last-modified") ?? "";
  const statuses: readonly (readonly [string, number])[] = [
    [date, 206],
    [new Date(Date.parse(date) + 1000).toUTCString(), 200],
    [new Date(Date.parse(date) - 1000).toUTCString(), 200],
    [head.headers.get("etag") ?? "", 200],
    ['"x"', 200],
    ["nonsense", 200],
  ];
  for (const [ifRange, status] of statuses) {
    const response = await get(folder, "bytes=0-9", { "if-range": ifRange });
    assert.is(response.status, status, ifRange);
    await response.body?.cancel();
  }
  // What changed within the last second may change again without its date changing.
  fs.utimesSync(join(folder, "data.bin"), new Date(), new Date());
  const fresh = await ask("/data.bin", { root: folder }, { method: "HEAD" });
  const response = await get(folder, "bytes=0-9", { "if-range": fresh.headers.get("last-modified") ?? "" });
  assert.is(response.status, 200);
  await response.body?.cancel();
  // An unsatisfiable range that isn't to be heeded is no error.
  assert.is((await get(folder, `bytes=${size}-`, { "if-range": '"x"' })).status, 200);
});

test("file() finds no range in an empty file", {}, async () => {
  const folder = root();
  for (const range of ["bytes=0-", "bytes=0-0", "bytes=-1"]) {
    const response = await ask("/empty.txt", { root: folder }, { headers: { range } });
    assert.is(response.status, 416, range);
    assert.is(response.headers.get("content-range"), "bytes */0");
  }
});
