/** Shared rings: bytes between processes of all runtimes, and what becomes of one side when the other dies, lies or goes. */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createPipe, createRing, explain, openRing, type SharedRing, transfer } from "sluice";
import { assert, test } from "../support/contract.ts";
import { collect, digestFile, sha256 } from "../support/data.ts";
import { takeFdCensus } from "../support/fds.ts";
import { tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { connect } from "./support/connection.ts";
import { assertBytes, data, dataFile, KiB, MiB } from "./support/files.ts";
import { failure, rejection, watch } from "./support/outcome.ts";
import { isRingPattern, ringPeers } from "./support/ring-peers.ts";

const needs = ["engine", "proc"] as const;

async function pair(bytes = 64 * KiB): Promise<AsyncDisposable & { creator: SharedRing; opener: SharedRing }> {
  const creator = await createRing({ bytes });
  const opener = await openRing(creator.path);
  const close = async () => {
    creator.close();
    opener.close();
  };
  return { creator, opener, [Symbol.asyncDispose]: close };
}

/** The first error of a reader that reads on, and the bytes before it. */
async function readOn(ring: SharedRing): Promise<{ code: string; bytes: number; intact: boolean }> {
  const state = { bytes: 0, intact: true };
  const { code } = await failure(async () => {
    for await (const chunk of ring) {
      state.intact &&= isRingPattern(chunk, state.bytes);
      state.bytes += chunk.length;
    }
  });
  return { code, ...state };
}

async function writeOn(ring: SharedRing): Promise<string> {
  const bytes = data(100 * KiB);
  const { code } = await failure(async () => {
    for (;;) await ring.write(bytes);
  });
  return code;
}

test(
  "ring: a file goes to a process of each runtime and back, by path and by inherited descriptor",
  { needs, timeoutMs: 60_000 },
  async () => {
    const folder = tempFolder();
    const { path, content } = dataFile(folder, 3 * MiB + 7);
    const target = join(folder, "back");
    const met: string[] = [];
    const peers = ringPeers("echo", () => createRing({ bytes: 128 * KiB }), 64 * KiB);
    for await (const { peer, ring } of peers) {
      await using back = await openRing(peer.path);
      const [sent, received] = await Promise.all([
        transfer(path, ring).then(async (report) => {
          await ring.end();
          return report;
        }),
        transfer(back, target),
      ]);
      assert.equal([sent.bytes, received.bytes], [content.length, content.length], peer.runtime);
      assert.equal([sent.strategy, received.strategy], ["sharedRing", "sharedRing"]);
      assert.is((await digestFile(target)).sha256, sha256(content), peer.runtime);
      assert.is(await peer.ended, "0");
      met.push(peer.runtime);
    }
    assert.equal(met, ["node", "bun", "deno"]);
  },
);

test("ring: kill -9 of a process of each runtime gives both sides' errors", { needs, timeoutMs: 60_000 }, async () => {
  const delays = data(64, Date.now() % 65_536);
  const peers = ringPeers("for-ever", () => createRing({ bytes: 64 * KiB }), 256 * KiB);
  let index = 0;
  for await (const { peer, ring } of peers) {
    const back = await openRing(peer.path);
    const writing = writeOn(ring);
    const reading = readOn(back);
    await sleep(delays[index++] ?? 0);
    peer.kill();
    const read = await reading;
    assert.is(read.code, "EOWNERDEAD", peer.runtime);
    assert.ok(read.intact, `${peer.runtime}: ${read.bytes} bytes came, and some are wrong`);
    assert.is(await writing, "EOWNERDEAD", peer.runtime);
    assert.is((await failure(() => ring.end())).code, "EOWNERDEAD");
    assert.is(await peer.ended, "SIGKILL");
    // What has died has not vanished: its memory is still ours, and nobody takes its place.
    assert.is((await failure(() => openRing(ring.path))).code, "EBUSY");
    back.close();
  }
});

test("ring: a reader that was killed has not heard of the end, whatever it had taken", { needs }, async () => {
  for (const writes of [true, false])
    for await (const { peer, ring } of ringPeers("take", () => createRing({ bytes: 64 * KiB }), 64 * KiB)) {
      await ring.write(data(1000));
      await waitFor("the reader to take all", () => ring.status.read === 1000);
      peer.kill();
      await peer.ended;
      const told = async (call: () => Promise<void>) => {
        const { code, bytesTransferred } = await failure(call);
        assert.equal([code, bytesTransferred], ["EOWNERDEAD", 0], peer.runtime);
      };
      // What has died is noticed by the next look, which writes do not take each time.
      if (writes) assert.is(await writeOn(ring), "EOWNERDEAD", peer.runtime);
      await told(() => ring.end());
      await told(() => ring.end());
      await told(() => ring.write(data(KiB)));
    }
});

test("ring: an end of nothing waits for somebody to come and see it", { needs }, async () => {
  await using lonely = await createRing({ attachMs: 50 });
  assert.is((await failure(() => lonely.end())).code, "ETIMEDOUT");
  await using ring = await createRing();
  const ending = ring.end();
  const state = watch(ending);
  await sleep(20);
  assert.not.ok(state.settled, "nobody has come yet");
  await using opener = await openRing(ring.path);
  assert.is(await opener.read(), undefined);
  await ending;
});

test("ring: a write that fails while it waits says what is in the ring", { needs, timeoutMs: 60_000 }, async () => {
  const stuck = async (ring: SharedRing, fail: () => void, signal?: AbortSignal) => {
    const writing = failure(() => ring.write(data(100 * KiB), { signal }));
    await waitFor("the ring to be full", () => ring.status.written === ring.capacity);
    fail();
    const { code, bytesTransferred } = await writing;
    assert.is(bytesTransferred, 64 * KiB, code);
    return code;
  };
  for await (const { peer, ring } of ringPeers("hold", () => createRing({ bytes: 64 * KiB }), 64 * KiB))
    assert.is(await stuck(ring, () => peer.kill()), "EOWNERDEAD", peer.runtime);
  {
    await using rings = await pair();
    assert.is(await stuck(rings.creator, () => rings.opener.close()), "EPIPE");
  }
  {
    await using rings = await pair();
    assert.is(await stuck(rings.creator, () => rings.creator.close()), "ERR_SLUICE_CLOSED");
  }
  {
    await using rings = await pair();
    const abort = new AbortController();
    assert.is(await stuck(rings.creator, () => abort.abort(), abort.signal), "ABORT_ERR");
  }
  {
    await using rings = await pair();
    const lie = () => {
      const fd = fs.openSync(rings.opener.path, "r+");
      fs.writeSync(fd, Buffer.alloc(8, 0xff), 0, 8, 384);
      fs.closeSync(fd);
    };
    assert.is(await stuck(rings.creator, lie), "EBADMSG");
  }
  await using lonely = await createRing({ bytes: 64 * KiB, attachMs: 50 });
  assert.is(await stuck(lonely, () => {}), "ETIMEDOUT");
});

test("ring: a call hears its abort before, and in, its turn, and has then done nothing", { needs }, async () => {
  await using rings = await pair();
  const { creator, opener } = rings;
  const aborted = { signal: AbortSignal.abort() };
  const refused = async (call: () => Promise<unknown>) => {
    const { code, bytesTransferred } = await failure(call);
    assert.equal([code, bytesTransferred], ["ABORT_ERR", 0]);
  };
  await refused(() => creator.write(data(3), aborted));
  await refused(() => creator.write(new Uint8Array(0), aborted));
  await refused(() => creator.end(aborted));
  assert.equal(creator.status, { written: 0, read: 0, ended: false, other: "here" });
  await creator.write(data(5));
  await refused(() => opener.read(aborted));
  await refused(() => opener.views(aborted).next());
  await refused(() => transfer(opener, "/dev/null", aborted));
  assertBytes(Buffer.from((await opener.read()) ?? []), data(5));

  // Behind a read and a write that wait: none of these waits for them.
  const abort = new AbortController();
  const { signal } = abort;
  const reading = opener.read();
  const queued = [
    refused(() => opener.read({ signal })),
    refused(() => opener.views({ signal }).next()),
    refused(() => transfer(opener, "/dev/null", { signal })),
  ];
  const state = watch(reading);
  assert.is(
    (await explain(opener, "/dev/null")).candidates[0]?.strategy,
    "sharedRing",
    "who only asks waits for nobody",
  );
  await sleep(5);
  abort.abort();
  await Promise.all(queued);
  assert.not.ok(state.settled);
  await creator.write(data(7));
  assert.is((await reading)?.length, 7);
  const again = new AbortController();
  const writing = creator.write(data(100 * KiB));
  const behind = [
    refused(() => creator.write(data(3), { signal: again.signal })),
    refused(() => creator.end({ signal: again.signal })),
    refused(() => transfer("/proc/version", creator, { signal: again.signal })),
  ];
  again.abort();
  await Promise.all(behind);
  const received = collect(opener);
  await writing;
  await creator.end();
  assertBytes(await received, data(100 * KiB));
});

/** u64s and u32s of the header that the other side could write: see docs/ipc.md. */
const lies: readonly (readonly [at: number, bytes: Buffer])[] = [
  [256, Buffer.alloc(8, 0xff)],
  [256, Buffer.from([0xe9, 3, 1, 0, 0, 0, 0, 0])],
  [384, Buffer.alloc(8, 0xff)],
  [384, Buffer.from([0, 0, 0, 0, 0, 0, 0, 0x80])],
  [16, Buffer.from([0, 0, 0, 0x40, 0, 0, 0, 0])],
  [24, Buffer.alloc(8, 0)],
  [0, Buffer.from("sluiring")],
  [12, Buffer.alloc(4, 0xff)],
  [128, Buffer.alloc(8, 0x7f)],
];

test("ring: whatever the other side writes into the shared header is an error at most", { needs }, async () => {
  for (const [at, bytes] of lies) {
    await using rings = await pair();
    const { creator, opener } = rings;
    await creator.write(data(1000));
    assert.is((await opener.read())?.length, 1000);
    const fd = fs.openSync(creator.path, "r+");
    fs.writeSync(fd, bytes, 0, bytes.length, at);
    fs.closeSync(fd);
    const abort = new AbortController();
    const { signal } = abort;
    // A lie about the writer is the reader's to notice, and the reverse; whoever is told nothing waits on.
    const noticed = async (use: () => Promise<unknown>) => {
      const { code } = await failure(async () => {
        for (;;) await use();
      });
      abort.abort();
      return code;
    };
    const codes = await Promise.all([
      noticed(() => opener.read({ signal })),
      noticed(() => creator.write(data(50 * KiB), { signal })),
    ]);
    assert.ok(codes.includes("EBADMSG"), `${at}: ${codes.join(" ")}`);
  }
  // Words that sleepers announce themselves with cost a wake-up at most.
  await using rings = await pair();
  const fd = fs.openSync(rings.opener.path, "r+");
  const noise = setInterval(() => fs.writeSync(fd, Buffer.alloc(4, 0xff), 0, 4, Math.random() < 0.5 ? 512 : 640), 1);
  const content = data(2 * MiB);
  const received = collect(rings.opener);
  await rings.creator.write(content);
  await rings.creator.end();
  clearInterval(noise);
  fs.closeSync(fd);
  assertBytes(await received, content);
});

test("ring: one writes, one reads, and nobody else gets in", { needs }, async () => {
  await using rings = await pair();
  const { creator, opener } = rings;
  await creator.write(data(10));
  assert.is((await failure(() => opener.write(data(1)))).code, "EBUSY", "a second writer");
  assert.is((await failure(() => transfer("/proc/version", opener))).code, "EBUSY");
  assert.is((await failure(() => creator.read())).code, "EBUSY", "the writer reads");
  assert.is((await failure(() => openRing(creator.path))).code, "EBUSY", "a third side");
  assert.is((await failure(() => openRing(creator))).code, "EBUSY");
  assertBytes(Buffer.from((await opener.read()) ?? []), data(10));

  const folder = tempFolder();
  execFileSync("mkfifo", [join(folder, "fifo")]);
  const { path } = dataFile(folder, 200 * KiB);
  for (const [what, code] of [
    [join(folder, "missing"), "ENOENT"],
    [path, "EBADMSG"],
    [join(folder, "fifo"), "EBADMSG"],
    ["/dev/zero", "EBADMSG"],
    [1_000_000, "EBADF"],
  ] as const)
    assert.is((await failure(() => openRing(what))).code, code, String(what));
  for (const bytes of [0, -1, 1.5, 2 ** 31, Number.NaN])
    assert.is((await rejection(() => createRing({ bytes }))).code, "ERR_OUT_OF_RANGE");
  for (const bytes of [1, 65_537]) {
    await using odd = await createRing({ bytes });
    assert.is(odd.capacity, bytes === 1 ? 65_536 : 131_072);
  }
  assert.is((await rejection(() => openRing(undefined as unknown as string))).code, "ERR_INVALID_ARG_TYPE");
  assert.is((await rejection(async () => creator.write("text" as unknown as Uint8Array))).code, "ERR_INVALID_ARG_TYPE");
});

test("ring: ends, closes, absence and aborts are told apart", { needs }, async () => {
  {
    await using rings = await pair();
    const ending = rings.creator.write(data(1)).then(() => rings.creator.end());
    const state = watch(ending);
    await sleep(20);
    assert.not.ok(state.settled, "an end waits for the reader");
    assert.equal(rings.creator.status, { written: 1, read: 0, ended: true, other: "here" });
    assert.is((await rings.opener.read())?.length, 1);
    rings.opener.close();
    await ending;
    assert.is((await failure(() => rings.creator.write(data(1)))).code, "EPIPE");
    assert.is((await failure(() => rings.opener.read())).code, "ERR_SLUICE_CLOSED");
  }
  {
    await using rings = await pair();
    await rings.creator.write(data(1));
    rings.creator.close();
    assert.is((await rings.opener.read())?.length, 1, "what was written is there");
    assert.is((await failure(() => rings.opener.read())).code, "ECONNRESET");
    assert.is((await failure(() => transfer(rings.opener, "/dev/null"))).code, "ECONNRESET");
  }
  {
    await using rings = await pair();
    const filling = writeOn(rings.creator);
    await rings.opener.read();
    rings.opener.close();
    assert.is(await filling, "EPIPE");
  }
  {
    await using lonely = await createRing({ attachMs: 50 });
    assert.is((await failure(() => lonely.read())).code, "ETIMEDOUT");
  }
  await using rings = await pair();
  const waiting = failure(() => rings.opener.read());
  await sleep(10);
  rings.opener.close();
  assert.is((await waiting).code, "ERR_SLUICE_CLOSED");

  await using idle = await pair();
  await using others = await pair();
  const abort = new AbortController();
  const reading = failure(() => idle.opener.read({ signal: abort.signal }));
  const moving = failure(() => transfer("/dev/zero", others.creator, { signal: abort.signal }));
  await waitFor("the ring to be full", () => others.creator.status.written === others.creator.capacity);
  abort.abort();
  const { code, bytesTransferred } = await moving;
  assert.is(code, "ABORT_ERR");
  assert.is(bytesTransferred, 64 * KiB);
  assert.is((await reading).code, "ABORT_ERR");
  // A wait that was given up has taken nothing.
  await idle.creator.write(data(5));
  assert.is((await idle.opener.read())?.length, 5);
});

test("ring: calls keep their order, and waits leave the event loop to others", { needs }, async () => {
  // Both sides of all of them are in this one thread: a wait that held it up would wait for ever.
  const links = await Promise.all(Array.from({ length: 140 }, () => pair()));
  const reads = links.map(({ opener }) => opener.read());
  for (const { creator } of links) await creator.write(data(3));
  for (const read of reads) assert.is((await read)?.length, 3);
  await Promise.all(links.map((link) => link[Symbol.asyncDispose]()));

  await using rings = await pair();
  const pieces = Array.from({ length: 40 }, (_, index) => data(index * 997, index + 1));
  const written = Promise.all(pieces.map((piece) => rings.creator.write(piece))).then(() => rings.creator.end());
  const got: Buffer[] = [];
  let last: Uint8Array | undefined;
  for await (const view of rings.opener.views()) {
    if (last !== undefined && "transfer" in ArrayBuffer.prototype) assert.is(last.length, 0, "a view is lent");
    got.push(Buffer.from(view));
    last = view;
  }
  assertBytes(Buffer.concat(got), Buffer.concat(pieces));
  await written;
});

test(
  "ring: transfers of files, sockets and pipes, whole and in part, with the calls between them",
  { needs },
  async () => {
    const folder = tempFolder();
    const { path, content } = dataFile(folder, MiB + 13);
    const target = join(folder, "target");
    await using rings = await pair();
    const { creator, opener } = rings;
    using link = await connect();
    using pipe = await createPipe({ bytes: 64 * KiB });
    const received = collect(link.peer);
    const fromSocket = transfer(link.socket, creator, { length: 5 });
    link.peer.write("12345");
    assert.is((await fromSocket).bytes, 5);
    assert.is(String(Buffer.from((await opener.read()) ?? [])), "12345");

    const reports = await Promise.all([
      transfer(path, creator, { offset: 13 }),
      transfer(opener, pipe.writer, { length: 100 * KiB }),
      transfer(pipe.reader, target, { length: 100 * KiB, targetOffset: 3 }),
      transfer(opener, link.socket, { length: MiB - 100 * KiB }),
    ]);
    link.socket.end();
    assert.equal(
      reports.map(({ bytes }) => bytes),
      [MiB, 100 * KiB, 100 * KiB, MiB - 100 * KiB],
    );
    const [, intoPipe] = reports;
    assert.equal([intoPipe.strategy, intoPipe.copied], ["sharedRing", "yes"]);
    const first = fs.readFileSync(target);
    assertBytes(Buffer.concat([first.subarray(3), await received]), content.subarray(13));

    const { candidates } = await explain(path, creator);
    assert.is(candidates[0]?.strategy, "sharedRing");
    const wrong = await failure(() => transfer(path, creator, { strategy: "splice" }));
    assert.is(wrong.code, "ERR_SLUICE_UNSUPPORTED");
    // From ring to ring JavaScript carries the bytes, and the report says so.
    await using more = await pair();
    const [across] = await Promise.all([
      transfer(opener, more.creator).then(async (report) => {
        await more.creator.end();
        return report;
      }),
      creator.write(content).then(() => creator.end()),
      collect(more.opener).then((bytes) => assertBytes(bytes, content)),
    ]);
    assert.equal([across.strategy, across.bytes], ["portable", content.length]);
  },
);

test("ring: nothing stays open, however it ended", { alone: true, needs }, async () => {
  const round = async () => {
    await using rings = await pair();
    await rings.creator.write(data(KiB));
    const reading = failure(() => transfer(rings.opener, "/dev/null"));
    rings.creator.close();
    assert.is((await reading).code, "ECONNRESET");
    await failure(() => openRing("/proc/version"));
    await failure(() => openRing(rings.opener.path));
    using pipe = await createPipe();
    pipe.reader.close();
    assert.is((await failure(() => transfer("/proc/version", pipe.writer))).code, "EPIPE");
  };
  await round();
  const census = await takeFdCensus();
  for (let i = 0; i < 20; i++) await round();
  await census.assertUnchanged();
});
