/** CASES.md E 69: aborting before, during and after. */
import * as fs from "node:fs";
import { join } from "node:path";
import { copyFile, type Strategy, transfer } from "sluice";
import { assert, test } from "../support/contract.ts";
import { collect } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";
import { arrivals, connect, readExactly } from "./support/connection.ts";
import { pipe } from "./support/descriptors.ts";
import { assertBytes, dataFile, GiB, MiB, sparseFile } from "./support/files.ts";
import { aWhile, failure } from "./support/outcome.ts";

test("transfer() with an aborted signal sends nothing and touches neither end (69)", {}, async () => {
  const folder = tempFolder();
  const { path } = dataFile(folder, MiB);
  const into = join(folder, "target");
  fs.writeFileSync(into, "old");
  const reason = new Error("changed my mind");
  const signal = AbortSignal.abort(reason);
  const { received } = await arrivals(async (socket) => {
    for (const target of [socket, into]) {
      const error = await failure(() => transfer(path, target, { signal }));
      assert.is(error.name, "AbortError");
      assert.is(error.code, "ABORT_ERR");
      assert.is(error.bytesTransferred, 0);
      assert.is(error.cause, reason);
    }
    socket.write("usable");
  });
  assert.is(received.toString(), "usable");
  assert.is(fs.readFileSync(into, "utf8"), "old");
});

test("transfer() aborted in the same turn as it is called settles once with an AbortError (69)", {}, async () => {
  const { path } = dataFile(tempFolder(), MiB);
  using link = await connect();
  const abort = new AbortController();
  const sending = failure(() => transfer(path, link.socket, { signal: abort.signal }));
  abort.abort();
  assert.is((await sending).name, "AbortError");
});

const mechanisms: readonly (readonly [Strategy | "auto", readonly "engine"[]])[] = [
  ["auto", []],
  ["sendfile", ["engine"]],
  ["splice", ["engine"]],
  ["mapped", ["engine"]],
  ["buffered", ["engine"]],
  ["portable", []],
];
for (const [strategy, needs] of mechanisms) {
  test(`transfer() by ${strategy}, blocked on a full socket, ends promptly when aborted (69)`, { needs }, async () => {
    const { path, content } = dataFile(tempFolder(), 64 * MiB);
    using link = await connect();
    const abort = new AbortController();
    const sending = failure(() => transfer(path, link.socket, { signal: abort.signal, strategy }));
    const first = await readExactly(link.peer, 1000);
    await aWhile();
    abort.abort();
    const error = await sending;
    assert.is(error.name, "AbortError");
    assert.is(error.code, "ABORT_ERR");
    assert.not.ok(link.socket.destroyed, "what becomes of the connection is the caller's to decide");
    link.socket.end();
    const received = Buffer.concat([first, await collect(link.peer)]);
    assert.is(error.bytesTransferred, received.length);
    assertBytes(received, content.subarray(0, received.length));
  });
}

test("transfer() that waits for a pipe that nobody writes ends when aborted (69)", {}, async () => {
  const { reader, writer } = pipe(tempFolder(), { nonblocking: true });
  using link = await connect();
  const abort = new AbortController();
  const sending = failure(() => transfer(reader, link.socket, { signal: abort.signal }));
  await aWhile();
  abort.abort();
  const error = await sending;
  assert.is(error.code, "ABORT_ERR");
  assert.is(error.bytesTransferred, 0);
  fs.closeSync(reader);
  fs.closeSync(writer);
});

test(
  "transfer() that waits for a socket that sends nothing ends when aborted and leaves it open (69)",
  {},
  async () => {
    using left = await connect();
    using right = await connect();
    const abort = new AbortController();
    const sending = failure(() => transfer(left.socket, right.socket, { signal: abort.signal }));
    await aWhile();
    abort.abort();
    assert.is((await sending).code, "ABORT_ERR");
    assert.not.ok(left.socket.destroyed);
    left.peer.write("later");
    assert.is((await readExactly(left.socket, 5)).toString(), "later");
  },
);

test("transfer() from file to file ends in the middle when aborted (69)", {}, async () => {
  const folder = tempFolder();
  const path = sparseFile(join(folder, "source"), 8 * GiB);
  const into = join(folder, "target");
  const abort = new AbortController();
  const options = { signal: abort.signal, onProgress: () => abort.abort() };
  const error = await failure(() => transfer(path, into, options));
  assert.is(error.code, "ABORT_ERR");
  assert.is(fs.statSync(into).size, error.bytesTransferred);
  assert.ok(error.bytesTransferred < 8 * GiB);
});

test("transfer() is not disturbed by an abort after it has resolved (69)", {}, async () => {
  const { path, content } = dataFile(tempFolder(), MiB);
  const abort = new AbortController();
  const { result, received } = await arrivals(async (socket) => {
    const report = await transfer(path, socket, { signal: abort.signal });
    abort.abort();
    socket.write("!");
    return report;
  });
  assert.is(result.bytes, MiB);
  assertBytes(received, Buffer.concat([content, Buffer.from("!")]));
});

test("transfer() takes AbortSignal.timeout() as it takes any other (69)", {}, async () => {
  const { path } = dataFile(tempFolder(), 64 * MiB);
  using link = await connect();
  const error = await failure(() => transfer(path, link.socket, { signal: AbortSignal.timeout(50) }));
  assert.is(error.name, "AbortError");
  assert.is((error.cause as Error).name, "TimeoutError");
});

test("transfer() adds no listener to a signal that it has done with (69)", {}, async () => {
  const { path } = dataFile(tempFolder(), 1000);
  const live = new Set<unknown>();
  const { signal } = new AbortController();
  const counted = {
    aborted: false,
    reason: undefined,
    addEventListener: (_type: "abort", listener: () => void, options?: { once?: boolean }) => {
      live.add(listener);
      signal.addEventListener("abort", listener, options);
    },
    removeEventListener: (_type: "abort", listener: () => void) => {
      live.delete(listener);
      signal.removeEventListener("abort", listener);
    },
  };
  for (const target of ["/dev/null", "/dev/full"])
    await transfer(path, target, { signal: counted }).catch(() => undefined);
  assert.is(live.size, 0);
});

test("copyFile() with an aborted signal leaves the old target and no temporary (69)", {}, async () => {
  const folder = tempFolder();
  const { path } = dataFile(folder, MiB);
  const into = join(folder, "target");
  fs.writeFileSync(into, "old");
  const before = fs.readdirSync(folder);
  assert.is((await failure(() => copyFile(path, into, { signal: AbortSignal.abort() }))).code, "ABORT_ERR");
  assert.is(fs.readFileSync(into, "utf8"), "old");
  assert.equal(fs.readdirSync(folder), before);
});

test("copyFile() aborted in the middle leaves the old target and no temporary (69)", {}, async () => {
  const folder = tempFolder();
  const path = sparseFile(join(folder, "source"), 8 * GiB);
  const into = join(folder, "target");
  fs.writeFileSync(into, "old");
  const before = fs.readdirSync(folder);
  const abort = new AbortController();
  const options = { signal: abort.signal, sparse: "never", reflink: "never", onProgress: () => abort.abort() } as const;
  const error = await failure(() => copyFile(path, into, options));
  assert.is(error.code, "ABORT_ERR");
  assert.is(fs.readFileSync(into, "utf8"), "old");
  assert.equal(fs.readdirSync(folder), before);
});
