/** tee(): one stream to several targets. */
import * as fs from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { capabilities, tee, TeeError, type TeeStrategy } from "sluice";
import { assert, test } from "../support/contract.ts";
import { collect, digest, sha256 } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { connect } from "./support/connection.ts";
import { openFds, pipe } from "./support/descriptors.ts";
import { drainPipe, feedPipe, origins } from "./support/ends.ts";
import { assertBytes, data, KiB, MiB } from "./support/files.ts";
import { failure, rejection } from "./support/outcome.ts";

const content = data(5 * MiB + 3);
const digestOfContent = { bytes: content.length, sha256: sha256(content) };
/** Unavailable ones are refused: they have tests that need the engine. */
const streamed: readonly TeeStrategy[] = ["tee", "buffered", "portable"];

const byteStream = (chunks: readonly Uint8Array[]) => Readable.from(chunks, { objectMode: false });

const hasEngine = () => capabilities().engine.available;

for (const kind of ["pipe", "tcp", "file"] as const)
  for (const strategy of streamed)
    test(
      `tee() from a ${kind} by ${strategy} gives a socket, a slow socket, a pipe and two files every byte`,
      { needs: strategy === "portable" ? ["proc"] : ["engine", "proc"] },
      async () => {
        const folder = tempFolder();
        using origin = await origins[kind](content)(folder);
        using quick = await connect();
        using slow = await connect();
        const out = pipe(folder, { nonblocking: true });
        fs.writeFileSync(join(folder, "whole"), "old");
        const received = digest(quick.peer);
        const drained = drainPipe(out.reader);
        const teeing = tee(
          origin.from,
          [quick.socket, slow.socket, out.writer, join(folder, "log"), join(folder, "whole")],
          { strategy, atomic: true },
        );
        // Meanwhile: what the slow one's peer has not read may be more than its connection holds.
        const feeding = origin.feed();
        const slowly: Buffer[] = [];
        for await (const chunk of slow.peer) {
          slowly.push(chunk as Buffer);
          if (slowly.length % 8 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
          if (slowly.reduce((sum, { length }) => sum + length, 0) === content.length) break;
        }
        await feeding;
        const report = await teeing;
        quick.socket.end();
        fs.closeSync(out.writer);
        assert.is(report.strategy, strategy);
        assert.is(report.bytes, content.length);
        assert.equal(
          report.targets.map(({ end, bytes }) => [end, bytes]),
          Array.from({ length: 5 }, () => ["complete", content.length]),
        );
        assert.equal(await received, digestOfContent);
        assertBytes(Buffer.concat(slowly), content, "the slow socket");
        assertBytes(await drained, content, "the pipe");
        for (const name of ["log", "whole"]) assertBytes(fs.readFileSync(join(folder, name)), content, name);
      },
    );

test(
  "tee() from a file and from memory lets each target read by itself, so that a stalled one holds up nobody",
  {},
  async () => {
    const folder = tempFolder();
    const path = join(folder, "source");
    fs.writeFileSync(path, content);
    for (const from of [path, content]) {
      using quick = await connect();
      using stalled = await connect();
      const received = digest(quick.peer);
      const abort = new AbortController();
      const teeing = failure(() =>
        tee(from, [quick.socket, stalled.socket, join(folder, "log")], { signal: abort.signal, offset: 0 }),
      );
      await waitFor(
        "the file to be whole",
        () => fs.existsSync(join(folder, "log")) && fs.statSync(join(folder, "log")).size === content.length,
      );
      quick.peer.on("data", () => undefined);
      await new Promise((resolve) => setTimeout(resolve, 200));
      abort.abort(new Error("enough"));
      const error = await teeing;
      assert.instance(error, TeeError);
      assert.is(error.code, "ABORT_ERR");
      const { report } = error as TeeError;
      assert.is(report.strategy, "separate");
      assert.is(report.targets[2]?.bytes, content.length);
      quick.socket.end();
      assert.is((await received).bytes, report.targets[0]?.bytes);
      fs.rmSync(join(folder, "log"));
    }
  },
);

test(
  "tee() leaves no descriptor behind, whether it ends, fails, drops a target or is aborted",
  { needs: ["engine", "proc"], alone: true },
  async () => {
    const folder = tempFolder();
    const ways = [{}, { length: 1000 }, { slowest: "drop", lag: 64 * KiB }, { onFailure: "end" }, "abort"] as const;
    /** Pipes of the engine that wait for their next use are no leak, but bounded; the first round makes them. */
    const counts: number[] = [];
    for (let round = 0; round < 3; round++) {
      for (const strategy of streamed)
        for (const way of ways) {
          using origin = await origins.tcp(content)(folder);
          using target = await connect();
          const abort = new AbortController();
          const options = way === "abort" ? { signal: abort.signal } : way;
          const targets = [target.socket, join(folder, "log"), join(folder, "none", "log")];
          const teeing = tee(origin.from, targets, { strategy, ...options }).catch((error: unknown) => error);
          if (way === "abort") setTimeout(() => abort.abort(), 20);
          else target.peer.resume();
          await teeing;
        }
      await new Promise((resolve) => setTimeout(resolve, 100));
      counts.push(openFds().size);
    }
    assert.ok((counts[2] ?? Infinity) <= (counts[1] ?? 0), `descriptors after each round: ${counts.join(", ")}`);
  },
);

test(
  "tee() drops a target that fails, with its own error, and the others get everything",
  { needs: ["engine"] },
  async () => {
    const folder = tempFolder();
    using origin = await origins.tcp(content)(folder);
    using good = await connect();
    using bad = await connect();
    const received = digest(good.peer);
    bad.peer.resetAndDestroy();
    bad.socket.on("error", () => undefined);
    const report = await tee(origin.from, [bad.socket, good.socket, join(folder, "none", "log")]);
    good.socket.end();
    assert.equal(await received, digestOfContent);
    const [first, second, third] = report.targets;
    assert.equal([first?.end, second?.end, third?.end], ["failed", "complete", "failed"]);
    assert.ok(["ECONNRESET", "EPIPE", "ERR_SLUICE_CLOSED"].includes(first?.error?.code ?? ""), first?.error?.code);
    assert.is(third?.error?.code, "ENOENT");
  },
);

test(
  'tee() with onFailure "end" ends all with the first failure, and without any target left it fails',
  {},
  async () => {
    const folder = tempFolder();
    const { reader, writer } = pipe(folder, { nonblocking: true });
    using good = await connect();
    good.peer.resume();
    fs.writeSync(writer, "abc");
    const nowhere = join(folder, "none", "log");
    for (const [targets, onFailure] of [
      [[nowhere, good.socket], "end"],
      [[nowhere], "drop"],
    ] as const) {
      const error = await failure(() => tee(reader, targets, { onFailure }));
      assert.instance(error, TeeError);
      assert.ok(error.code === "ENOENT" || error.code === "ABORT_ERR", error.code);
      assert.ok((error as TeeError).report.targets.every(({ end }) => end === "failed"));
    }
    fs.closeSync(reader);
    fs.closeSync(writer);
  },
);

test(
  'tee() with slowest "drop" leaves out a stalled target by its lag, and the rest goes on at full speed',
  { needs: ["engine"] },
  async () => {
    const folder = tempFolder();
    const long = data(24 * MiB);
    using origin = await origins.tcp(long)(folder);
    // It holds less than `lag`, and the other more at once: whatever the machine is busy with, only one falls behind.
    using stalled = await connect(join(folder, "stalled"));
    using quick = await connect();
    const received = digest(quick.peer);
    const report = await tee(origin.from, [stalled.socket, quick.socket], { slowest: "drop", lag: 256 * KiB });
    quick.socket.end();
    const [first, second] = report.targets;
    assert.equal([first?.end, second?.end], ["dropped", "complete"]);
    assert.is(first?.error?.code, "ABORT_ERR");
    assert.ok((first?.bytes ?? 0) < long.length);
    assert.equal(await received, { bytes: long.length, sha256: sha256(long) });
  },
);

test(
  'tee() with slowest "pace" waits for a stalled target, and an abort ends it at once',
  { needs: ["engine"] },
  async () => {
    const folder = tempFolder();
    using origin = await origins.tcp(data(24 * MiB))(folder);
    using stalled = await connect();
    const log = join(folder, "log");
    const abort = new AbortController();
    const teeing = failure(() => tee(origin.from, [stalled.socket, log], { signal: abort.signal }));
    let size = -1;
    await waitFor("the file to stop growing", async () => {
      const before = size;
      size = fs.existsSync(log) ? fs.statSync(log).size : -1;
      await new Promise((resolve) => setTimeout(resolve, 200));
      return size > 0 && size === before;
    });
    assert.ok(size < 24 * MiB);
    abort.abort();
    const error = (await teeing) as TeeError;
    assert.is(error.code, "ABORT_ERR");
    assert.equal(
      error.report.targets.map(({ end }) => end),
      ["failed", "failed"],
    );
  },
);

test(
  "tee() from a source that breaks off gives all that came, and makes no whole file of it",
  { needs: ["engine"] },
  async () => {
    const folder = tempFolder();
    using left = await connect();
    using good = await connect();
    const received = collect(good.peer);
    fs.writeFileSync(join(folder, "log"), "old");
    left.peer.write(content.subarray(0, MiB));
    const teeing = failure(() => tee(left.socket, [good.socket, join(folder, "log")], { atomic: true }));
    await waitFor("the bytes to be there", () => good.peer.readableLength > 0 || good.peer.bytesRead > 0);
    await waitFor("all of them", () => good.peer.bytesRead >= MiB);
    left.peer.resetAndDestroy();
    const error = (await teeing) as TeeError;
    assert.is(error.code, "ECONNRESET");
    good.socket.end();
    assertBytes(await received, content.subarray(0, MiB));
    assert.is(fs.readFileSync(join(folder, "log"), "latin1"), "old");
    assert.equal(
      error.report.targets.map(({ end }) => end),
      ["failed", "failed"],
    );
  },
);

test("tee() takes what JavaScript has read first, a length, and streams of JavaScript", {}, async () => {
  const folder = tempFolder();
  using left = await connect();
  left.peer.end(content);
  const [a, b] = [join(folder, "a"), join(folder, "b")];
  await waitFor("some to be read", () => {
    if (left.socket.readableLength === 0) left.socket.read(0);
    return left.socket.readableLength > 0;
  });
  const length = MiB + 1;
  const report = await tee(left.socket, [a, b], { length });
  assert.is(report.bytes, length);
  for (const path of [a, b]) assertBytes(fs.readFileSync(path), content.subarray(0, length));
  const fromStream = await tee(byteStream([content.subarray(0, 1000), content.subarray(1000)]), [a, b]);
  assert.is(fromStream.strategy, "portable");
  assert.is(fromStream.copied, "yes");
  for (const path of [a, b]) assertBytes(fs.readFileSync(path), content);
});

test("tee() refuses what it can't do", {}, async () => {
  const folder = tempFolder();
  const { reader, writer } = pipe(folder, { nonblocking: true });
  const log = join(folder, "log");
  assert.is((await rejection(() => tee(reader, []))).code, "ERR_INVALID_ARG_TYPE");
  assert.is((await rejection(() => tee(reader, [log], { lag: 1 }))).code, "ERR_OUT_OF_RANGE");
  const wrong = { slowest: "no" } as unknown as { slowest: "pace" };
  assert.is((await rejection(() => tee(reader, [log], wrong))).code, "ERR_INVALID_ARG_VALUE");
  assert.is((await failure(() => tee(folder, [log]))).code, "EISDIR");
  assert.is((await failure(() => tee(reader, [log], { strategy: "separate" }))).code, "ERR_SLUICE_UNSUPPORTED");
  if (hasEngine()) assert.is((await failure(() => tee(reader, [log], { offset: 1 }))).code, "ESPIPE");
  assert.not.ok(fs.existsSync(log));
  fs.closeSync(reader);
  fs.closeSync(writer);
});

test("tee() to a pipe that is closed by its reader goes on with the others", { needs: ["engine"] }, async () => {
  const folder = tempFolder();
  const from = pipe(folder, { nonblocking: true });
  const gone = pipe(folder, { nonblocking: true });
  fs.closeSync(gone.reader);
  const log = join(folder, "log");
  const teeing = tee(from.reader, [gone.writer, log]);
  await feedPipe(from.writer, content);
  const report = await teeing;
  assert.equal(
    report.targets.map(({ end, error }) => [end, error?.code]),
    [
      ["failed", "EPIPE"],
      ["complete", undefined],
    ],
  );
  assertBytes(fs.readFileSync(log), content);
  fs.closeSync(from.reader);
  fs.closeSync(gone.writer);
});
