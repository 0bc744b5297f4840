/** Many transfers that end in all sorts of ways: none hangs, none leaks, none fails without a proper error. */
import * as fc from "fast-check";
import * as fs from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import { copyFile, explain, type Report, type Source, type Target, transfer, TransferError } from "sluice";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { arrivals, type Connection, connect, listen } from "../contract/support/connection.ts";
import { assertBytes, data, dataFile, MiB } from "../contract/support/files.ts";
import { failure } from "../contract/support/outcome.ts";
import { collect } from "../support/data.ts";
import { openDescriptors, takeFdCensus } from "../support/fds.ts";
import { tempFolder } from "../support/temp.ts";
import { settles } from "../support/wait.ts";

const test = suite("attack");
const folder = tempFolder();
const { path, content } = dataFile(folder, 6 * MiB);
const { path: small, content: smallContent } = dataFile(folder, 70_000, 2);
const seed = 20_260_101;

/** What is open; pipes apart, of which the engine keeps some. */
function openFds(): { others: string[]; pipes: number } {
  const all = openDescriptors();
  const others = all.filter((name) => name !== "pipe");
  return { others, pipes: all.length - others.length };
}

type Ends = readonly [Socket, Socket];
const strategies = ["auto", "sendfile", "splice", "mapped", "buffered", "portable"] as const;
const endings: readonly ((ends: Ends) => unknown)[] = [
  ([socket]) => socket.destroy(),
  ([, peer]) => peer.destroy(),
  ([, peer]) => peer.resetAndDestroy(),
  ([socket]) => socket.resetAndDestroy(),
  ([socket]) => socket.destroySoon(),
];

test("transfer() settles and leaves nothing open whenever and however its connection is closed", async () => {
  await arrivals((socket) => transfer(small, socket));
  const { others, pipes } = openFds();
  await using host = await listen();
  const plans = fc.sample(
    fc.record({
      strategy: fc.constantFrom(...strategies),
      end: fc.constantFrom(...endings),
      reads: fc.boolean(),
      delayMs: fc.integer({ min: 0, max: 40 }),
    }),
    { numRuns: 250, seed },
  );
  const settling: Promise<Report | undefined>[] = [];
  for (const { strategy, end, reads, delayMs } of plans) {
    const { socket, peer } = await host.connect();
    for (const each of [socket, peer]) each.on("error", () => undefined);
    if (reads) peer.resume();
    const sending = transfer(path, socket, { strategy }).catch((error: unknown) => {
      assert.instance(error, TransferError);
      return undefined;
    });
    setTimeout(() => end([socket, peer]), delayMs);
    setTimeout(() => {
      socket.destroy();
      peer.destroy();
    }, delayMs + 200);
    settling.push(sending);
  }
  for (const report of await Promise.all(settling)) assert.ok(report === undefined || report.bytes === content.length);
  host.server.close();
  await settles(() => openFds().others.join() === others.join());
  const after = openFds();
  assert.equal(after.others, others);
  assert.ok(after.pipes <= pipes + 2 * 16, "the engine keeps at most 16 pairs of pipes for later");
});

test("transfer() counts what arrived while its source is cut and grown again and again", async () => {
  for (const [i, strategy] of (["sendfile", "splice", "buffered", "portable"] as const).entries()) {
    for (let round = 0; round < 4; round++) {
      const source = join(folder, `cut-${i}-${round}`);
      fs.writeFileSync(source, content);
      let counted = 0;
      const { received } = await arrivals(async (socket) => {
        const sending = transfer(source, socket, { strategy }).then(
          ({ bytes }) => bytes,
          (error: TransferError) => {
            assert.is(error.code, "ERR_SLUICE_TRUNCATED");
            return error.bytesTransferred;
          },
        );
        for (let cut = 0; cut < 5; cut++) {
          await new Promise(setImmediate);
          fs.truncateSync(source, ((cut * 7 + round) % 6) * MiB + 123);
          fs.truncateSync(source, content.length);
        }
        counted = await sending;
      });
      assert.is(received.length, counted, `${strategy}, round ${round}`);
    }
  }
});

test("transfer() keeps the order of a socket of which some transfers are aborted", async () => {
  using link = await connect();
  const aborts = Array.from({ length: 3 }, () => new AbortController());
  const running = failure(() => transfer(path, link.socket, { signal: aborts[0]?.signal }));
  const second = transfer(small, link.socket);
  const waiting = failure(() => transfer(small, link.socket, { signal: aborts[1]?.signal }));
  link.socket.write("tail");
  await new Promise((resolve) => setTimeout(resolve, 50));
  for (const abort of aborts) abort.abort();
  const { bytesTransferred } = await running;
  assert.is((await waiting).bytesTransferred, 0);
  const received = collect(link.peer);
  await second;
  link.socket.end();
  assertBytes(
    await received,
    Buffer.concat([content.subarray(0, bytesTransferred), smallContent, Buffer.from("tail")]),
  );
});

test("transfer() from a socket to itself echoes", async () => {
  using link = await connect();
  const echo = transfer(link.socket, link.socket);
  const received = collect(link.peer);
  link.peer.end(content);
  assert.is((await echo).bytes, content.length);
  link.socket.end();
  assertBytes(await received, content);
});

test("transfer() on a corked socket waits, and what is corked behind it comes behind it", async () => {
  using link = await connect();
  const received = collect(link.peer);
  link.socket.cork();
  link.socket.write("head");
  const sending = transfer(small, link.socket);
  link.socket.write("tail");
  setTimeout(() => link.socket.uncork(), 20);
  await sending;
  link.socket.end();
  assertBytes(await received, Buffer.concat([Buffer.from("head"), smallContent, Buffer.from("tail")]));
});

test("transfer() called in a 'data' handler answers on the same socket", async () => {
  using link = await connect();
  const answered = new Promise<Report>((resolve, reject) => {
    link.socket.once("data", () => transfer(small, link.socket).then(resolve, reject));
  });
  link.peer.write("GET");
  const received = collect(link.peer);
  await answered;
  link.socket.end();
  assertBytes(await received, smallContent);
});

test("transfer() many times in a row and at once leaves nothing open", async () => {
  await using host = await listen();
  const links: Connection[] = [];
  for (let i = 0; i < 50; i++) links.push(await host.connect());
  for (const { peer } of links) peer.resume();
  const everywhere = () =>
    Promise.all(links.flatMap(({ socket }) => [path, small].map((each) => transfer(each, socket))));
  await everywhere();
  const census = await takeFdCensus();
  const [first] = links;
  if (first === undefined) throw new Error("There is no connection");
  for (let i = 0; i < 2000; i++) assert.is((await transfer(small, first.socket, { length: 1000 })).bytes, 1000);
  for (const { bytes } of await everywhere()) assert.ok(bytes === content.length || bytes === smallContent.length);
  await census.assertUnchanged();
  for (const link of links) link[Symbol.dispose]();
});

/** Anything but what could be an open descriptor of this process, or a path somewhere. */
const anything = fc
  .oneof(
    fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true, withTypedArray: true }),
    fc.constantFrom<unknown>(Symbol("x"), () => 1, { fd: Number.NaN }, { fd: -5 }, { fd: 1e9 }, -1, 1e9, 2.5, "", "\0"),
    fc.constantFrom<unknown>(new URL("http://x/"), new ArrayBuffer(8), data(3), new DataView(new ArrayBuffer(8))),
  )
  .filter(
    (value) => (typeof value !== "string" || value === "" || value === "\0") && !isLow(value) && !isLow(fdOf(value)),
  );
const isLow = (value: unknown): boolean => typeof value === "number" && value >= 0 && value < 1000;
const fdOf = (value: unknown): unknown =>
  typeof value === "object" && value !== null && "fd" in value ? value.fd : 0.5;
const names = ["offset", "length", "targetOffset", "strategy", "fallback", "consistency", "cache", "signal"] as const;
const options = fc.oneof(
  anything,
  fc
    .tuple(fc.constantFrom(...names, "onProgress", "reflink", "sparse", "overwrite"), anything)
    .map(([k, v]) => ({ [k]: v })),
);

test("all functions answer nonsense by a result or a typed error, as a rejection", async () => {
  const settle = async (promise: Promise<unknown>) => {
    assert.instance(promise, Promise);
    await promise.catch((error: unknown) => {
      assert.ok(
        error instanceof TransferError || error instanceof TypeError || error instanceof RangeError,
        `${String(error)}`,
      );
    });
  };
  const into = join(folder, "into");
  for (const [from, to, how] of fc.sample(fc.tuple(anything, anything, options), { numRuns: 1500, seed })) {
    await settle(transfer(from as Source, to as Target, how as object));
    await settle(explain(from as Source, to as Target, how as object));
    await settle(copyFile(from as string, to as string, how as object));
    await settle(transfer(small, into, how as object));
    await settle(copyFile(small, into, how as object));
  }
});

test.run();
