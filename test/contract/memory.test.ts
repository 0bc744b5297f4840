/** Memory as a source: by which mechanism, how long it is held, and what becomes of those who change or drop it. */
import * as fs from "node:fs";
import { join } from "node:path";
import { explain, type Strategy, transfer } from "sluice";
import { assert, test } from "../support/contract.ts";
import { collect, sha256 } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { connect } from "./support/connection.ts";
import { openFds, pipe } from "./support/descriptors.ts";
import { destinations, drainPipe } from "./support/ends.ts";
import { assertBytes, data, KiB, MiB } from "./support/files.ts";
import { collectGarbage } from "./support/garbage.ts";
import { aWhile, failure, watch } from "./support/outcome.ts";

const content = data(5 * MiB + 3);

/** Bun takes a notice in a socket's error queue for the socket's end. */
const isBun = "Bun" in globalThis;
const byReference: readonly Strategy[] = isBun ? [] : ["sendZeroCopy"];
const byCopyAndReference: readonly Strategy[] = ["buffered", ...byReference];

const rows = [
  ["tcp", ["buffered"], "yes"],
  ["unix", ["buffered"], "yes"],
  ["pipe", ["buffered"], "yes"],
  ["path", ["buffered"], "yes"],
  ["append", ["buffered"], "yes"],
  ["pipe", ["vmsplice"], "no"],
  // Both ends are on this machine, and the kernel says that it has copied.
  ...byReference.map((strategy) => ["tcp", [strategy], "yes"] as const),
  ["unix", ["sendZeroCopy", "buffered"], "yes"],
] as const satisfies readonly (readonly [keyof typeof destinations, readonly Strategy[], string])[];

for (const [kind, strategy, copied] of rows)
  test(
    `transfer() of memory to a ${kind} by ${strategy.join(" or ")} delivers any range and says whether it copied`,
    { needs: ["engine"] },
    async () => {
      // Views into larger buffers, with odd places and lengths; the smallest that is used where it is; all of it.
      for (const [from, size, offset, length] of [
        [3, 65_537, 0, undefined],
        [4097, 3 * MiB, 12_345, MiB + 1],
        [0, content.length, 0, undefined],
      ] as const) {
        const folder = tempFolder();
        using destination = await destinations[kind](folder);
        const view = content.subarray(from, from + size);
        const report = await transfer(view, destination.to, {
          offset,
          ...(length !== undefined && { length }),
          strategy,
        });
        const expected = view.subarray(offset, length === undefined ? undefined : offset + length);
        assert.is(report.bytes, expected.length);
        assert.is(report.strategy, strategy.at(-1));
        assert.is(report.copied, copied);
        assertBytes(await destination.received(), expected);
      }
    },
  );

test("transfer() of memory says why it is not sent by reference", { needs: ["engine"] }, async () => {
  using local = await connect(join(tempFolder(), "socket"));
  using remote = await connect();
  const error = await failure(() => transfer(content, local.socket, { strategy: "sendZeroCopy" }));
  assert.is(error.code, "ERR_SLUICE_UNSUPPORTED");
  assert.is(error.bytesTransferred, 0);
  if (isBun) {
    const own = await failure(() => transfer(content, remote.socket, { strategy: "sendZeroCopy" }));
    assert.match(own.message, /Bun closes a socket/);
  }
  const few = await failure(() => transfer(content.subarray(0, 64 * KiB), remote.socket, { strategy: "sendZeroCopy" }));
  assert.match(few.message, /so few bytes are copied sooner/);
  const wrong = await failure(() => transfer(content, remote.socket, { strategy: "vmsplice" }));
  assert.match(wrong.message, /its target must be a pipe/);
  const { writer, reader } = pipe(tempFolder(), { nonblocking: true });
  for (const [size, first] of [
    [4 * MiB, "vmsplice"],
    [4 * MiB - 1, "buffered"],
  ] as const) {
    const { candidates } = await explain(content.subarray(0, size), writer, { strategy: ["vmsplice", "buffered"] });
    assert.is(candidates[0]?.strategy, first);
  }
  for (const fd of [reader, writer]) fs.closeSync(fd);
  const { rejected, candidates } = await explain(content, remote.socket);
  assert.is(candidates[0]?.strategy, "buffered");
  assert.ok(rejected.some(({ strategy }) => strategy === "sendZeroCopy"));
});

test("transfer() of up to 64 KiB takes a copy: what is written after the call reaches nobody", {}, async () => {
  for (const kind of ["tcp", "pipe", "path"] as const) {
    using destination = await destinations[kind](tempFolder());
    const bytes = Uint8Array.from(content.subarray(0, 64 * KiB));
    const sending = transfer(bytes, destination.to);
    bytes.fill(0);
    await sending;
    assertBytes(await destination.received(), content.subarray(0, 64 * KiB), kind);
  }
});

test("transfer() of memory whose size or place may change goes through JavaScript", { needs: ["engine"] }, async () => {
  const resizable = new Uint8Array(resizableBuffer(MiB));
  const shared = new Uint8Array(new SharedArrayBuffer(MiB));
  for (const bytes of [resizable, shared]) {
    bytes.set(content.subarray(0, MiB));
    using destination = await destinations.tcp(tempFolder());
    const report = await transfer(bytes, destination.to);
    assert.is(report.strategy, "portable");
    assertBytes(await destination.received(), content.subarray(0, MiB));
  }
});

/** The library that the types are of does not know of these yet. */
function resizableBuffer(size: number): ArrayBuffer {
  const Resizable = ArrayBuffer as unknown as new (size: number, options: { maxByteLength: number }) => ArrayBuffer;
  return new Resizable(size, { maxByteLength: 2 * size });
}

/** A view of the content that nobody else holds. */
const fresh = (size: number) => Uint8Array.from(content.subarray(0, size));

test(
  "transfer() of memory keeps it until the kernel lets go, also when aborted and forgotten",
  { needs: ["engine"] },
  async () => {
    for (const strategy of byCopyAndReference) {
      using link = await connect();
      const abort = new AbortController();
      let moved = 0;
      const sending = failure(() =>
        transfer(fresh(content.length), link.socket, {
          strategy,
          signal: abort.signal,
          onProgress: (bytes) => void (moved = bytes),
        }),
      );
      await waitFor("the peer's buffers to be full", async () => {
        const before = moved;
        await new Promise((resolve) => setTimeout(resolve, 250));
        return moved > 0 && moved === before;
      });
      abort.abort();
      const error = await sending;
      assert.is(error.code, "ABORT_ERR");
      assert.ok(error.bytesTransferred > 0 && error.bytesTransferred < content.length);
      await collectGarbage();
      link.socket.end();
      assertBytes(await collect(link.peer), content.subarray(0, error.bytesTransferred), strategy);
    }
  },
);

test(
  "transfer() of memory by vmsplice resolves when the pipe has been read, and keeps it where the reader is late",
  { needs: ["engine"] },
  async () => {
    const { reader, writer } = pipe(tempFolder(), { nonblocking: true });
    const size = 64 * KiB + 1;
    // One page more than the pipe has room for, and then less than that.
    const sending = watch(transfer(fresh(size), writer, { offset: 1 + 4096, strategy: "vmsplice" }));
    await aWhile();
    assert.not.ok(sending.settled);
    const abort = new AbortController();
    const early = Buffer.alloc(size - 4097);
    let read = 0;
    await collectGarbage();
    while (read < early.length) read += fs.readSync(reader, early, read, early.length - read, null);
    assertBytes(early, content.subarray(4097, size));
    await waitFor("the transfer to see that", () => sending.settled);

    const aborted = failure(() => transfer(fresh(5 * MiB), writer, { strategy: "vmsplice", signal: abort.signal }));
    await aWhile();
    abort.abort();
    const error = await aborted;
    assert.is(error.code, "ABORT_ERR");
    await collectGarbage();
    fs.closeSync(writer);
    assertBytes(await drainPipe(reader), content.subarray(0, error.bytesTransferred));
  },
);

test(
  "transfer() of memory by vmsplice fails where the reader goes without reading",
  { needs: ["engine"] },
  async () => {
    const { reader, writer } = pipe(tempFolder(), { nonblocking: true });
    const sending = failure(() => transfer(fresh(64 * KiB + 1), writer, { length: 60 * KiB, strategy: "vmsplice" }));
    await aWhile();
    fs.closeSync(reader);
    assert.is((await sending).code, "EPIPE");
    fs.closeSync(writer);
  },
);

test(
  "transfer() of memory that is detached meanwhile ends with ERR_SLUICE_CLOSED, and the process goes on",
  { needs: ["engine"] },
  async () => {
    for (const strategy of byCopyAndReference) {
      using link = await connect();
      link.socket.on("error", () => undefined);
      const bytes = fresh(content.length);
      const sending = failure(() => transfer(bytes, link.socket, { strategy }));
      await aWhile();
      structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
      assert.is(bytes.byteLength, 0);
      await collectGarbage();
      const error = await sending;
      assert.is(error.code, "ERR_SLUICE_CLOSED");
      assert.is(error.failed, "source");
    }
  },
);

test(
  "transfer() of memory to a peer that resets or a socket that is destroyed fails, and leaves no descriptor",
  { needs: ["engine", "proc"], alone: true },
  async () => {
    const counts: number[] = [];
    for (let round = 0; round < 3; round++) {
      for (const strategy of byCopyAndReference)
        for (const how of ["reset", "destroy"] as const) {
          using link = await connect();
          link.socket.on("error", () => undefined);
          const sending = failure(() => transfer(fresh(content.length), link.socket, { strategy }));
          await aWhile();
          if (how === "reset") link.peer.resetAndDestroy();
          else link.socket.destroy();
          const { code } = await sending;
          assert.ok(["ECONNRESET", "EPIPE", "ERR_SLUICE_CLOSED"].includes(code), code);
        }
      await aWhile();
      counts.push(openFds().size);
    }
    assert.ok((counts[2] ?? Infinity) <= (counts[1] ?? 0), `descriptors after each round: ${counts.join(", ")}`);
  },
);

test(
  "transfer() of memory by reference leaves the socket as it was, for whoever comes next",
  { needs: ["engine"] },
  async () => {
    using link = await connect();
    const received = collect(link.peer);
    const parts: Buffer[] = [];
    for (const strategy of [...byCopyAndReference, ...byReference, "portable" as const]) {
      link.socket.write("between");
      await transfer(content, link.socket, { strategy });
      parts.push(Buffer.from("between"), content);
    }
    link.socket.end();
    assert.is(sha256(await received), sha256(...parts));
  },
);

for (const strategy of byReference)
  test(
    `transfer() by ${strategy} that was aborted holds its memory no longer than its socket`,
    { needs: ["engine"] },
    async () => {
      using link = await connect();
      link.socket.on("error", () => undefined);
      const aborting = new AbortController();
      /** In a frame of its own: nothing of it stays on the stack. */
      const begin = (): [WeakRef<Uint8Array>, Promise<unknown>] => {
        const bytes = new Uint8Array(32 * MiB);
        const running = failure(() => transfer(bytes, link.socket, { strategy, signal: aborting.signal }));
        // Not the error: the frames of its stack know the transfer.
        return [new WeakRef(bytes), running.then(() => undefined)];
      };
      const [held, running] = begin();
      await aWhile();
      aborting.abort();
      await running;
      await collectGarbage();
      assert.ok(held.deref() !== undefined, "the kernel refers to it: the peer has not read");
      link.socket.destroy();
      await waitFor("the memory to be let go", async () => {
        await collectGarbage();
        return held.deref() === undefined;
      });
    },
  );
