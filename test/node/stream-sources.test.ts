/** CASES.md D 58: sources that no descriptor stands behind give the same bytes by the portable path. */
import { once } from "node:events";
import * as fs from "node:fs";
import { PassThrough, Readable, Transform } from "node:stream";
import { join } from "node:path";
import { transfer } from "sluice";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { arrivals } from "../contract/support/connection.ts";
import { assertBytes, dataFile, MiB } from "../contract/support/files.ts";
import { failure, rejection } from "../contract/support/outcome.ts";
import { collect } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";

const test = suite("stream sources");

const { path, content } = dataFile(tempFolder(), 3 * MiB + 17);

const sources = {
  "an fs.ReadStream": () => fs.createReadStream(path),
  "a Readable of chunks": () =>
    Readable.from([content.subarray(0, 10), content.subarray(10, MiB), content.subarray(MiB)], { objectMode: false }),
  "a PassThrough that is written meanwhile": () => {
    const stream = new PassThrough();
    stream.end(content);
    return stream;
  },
  "a Transform": () =>
    fs.createReadStream(path).pipe(
      new Transform({
        transform(chunk, _encoding, callback) {
          callback(null, chunk);
        },
      }),
    ),
  "a Uint8Array": () => new Uint8Array(content),
  "a Buffer": () => content,
};
for (const [name, make] of Object.entries(sources)) {
  test(`transfer() from ${name} brings the same bytes (58)`, async () => {
    const { result, received } = await arrivals((socket) => transfer(make(), socket));
    assert.is(result.bytes, content.length);
    assertBytes(received, content);
    const into = join(tempFolder(), "target");
    assert.is((await transfer(make(), into)).bytes, content.length);
    assertBytes(fs.readFileSync(into), content);
  });

  test(`transfer() from ${name} with a length takes no more (58)`, async () => {
    const { result, received } = await arrivals((socket) => transfer(make(), socket, { length: 70_001 }));
    assert.is(result.bytes, 70_001);
    assertBytes(received, content.subarray(0, 70_001));
  });
}

test("transfer() from a Readable with a length leaves the rest in it (58)", async () => {
  const stream = fs.createReadStream(path);
  await transfer(stream, "/dev/null", { length: 70_001 });
  assertBytes(await collect(stream), content.subarray(70_001));
});

test("transfer() from a Readable that has ended resolves with 0 (30, 58)", async () => {
  const stream = Readable.from([], { objectMode: false });
  stream.resume();
  await once(stream, "end");
  assert.is((await transfer(stream, "/dev/null")).bytes, 0);
});

test("transfer() from a Readable that fails rejects with its error as the cause (58)", async () => {
  const boom = new Error("boom");
  const stream = new Readable({
    read() {
      this.push("some");
      this.destroy(boom);
    },
  });
  const error = await failure(() => transfer(stream, "/dev/null"));
  assert.is(error.cause, boom);
});

test("transfer() from a Readable that is destroyed early rejects and does not hang (58)", async () => {
  const stream = new PassThrough();
  stream.write("some");
  const sending = failure(() => transfer(stream, "/dev/null"));
  setImmediate(() => stream.destroy());
  assert.is((await sending).code, "ERR_SLUICE_CLOSED");
});

test("transfer() that is aborted while it waits for a Readable leaves what comes later in it (58, 69)", async () => {
  const stream = new PassThrough();
  const abort = new AbortController();
  const sending = failure(() => transfer(stream, "/dev/null", { signal: abort.signal }));
  setImmediate(() => abort.abort());
  assert.is((await sending).code, "ABORT_ERR");
  stream.end("later");
  assert.is((await collect(stream)).toString(), "later");
});

test("transfer() refuses streams of objects and of text (58)", async () => {
  for (const stream of [new Readable({ objectMode: true }), new Readable().setEncoding("utf8")])
    assert.is((await rejection(() => transfer(stream, "/dev/null"))).code, "ERR_INVALID_ARG_VALUE");
});

test.run();
