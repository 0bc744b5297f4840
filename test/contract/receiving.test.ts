/** Receiving into files: whole or not at all, on full filesystems, and in several goes. */
import * as fs from "node:fs";
import { join } from "node:path";
import { transfer } from "sluice";
import { assert, test } from "../support/contract.ts";
import { sha256 } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { connect } from "./support/connection.ts";
import { fifo, openFds, pipe } from "./support/descriptors.ts";
import { feedPipe } from "./support/ends.ts";
import { assertBytes, data, KiB, MiB } from "./support/files.ts";
import { mountTmpfs } from "./support/limits.ts";
import { failure, rejection } from "./support/outcome.ts";

const content = data(3 * MiB + 7);

test(
  "transfer() with atomic shows the old file until the new one is whole, and keeps its mode and link",
  { alone: true },
  async () => {
    const folder = tempFolder();
    const file = join(folder, "file");
    const link = join(folder, "link");
    fs.writeFileSync(file, "old");
    fs.chmodSync(file, 0o640);
    fs.symlinkSync("file", link);
    const old = fs.openSync(file, "r");
    const left = await connect();
    // What the engine keeps for later, its relay pipe among it, is there from now on.
    left.peer.write(content.subarray(0, MiB));
    await transfer(left.socket, join(folder, "first"), { length: MiB });
    fs.rmSync(join(folder, "first"));
    const before = openFds().size;
    left.peer.write(content.subarray(0, MiB));
    let halfway: string | undefined;
    const receiving = transfer(left.socket, link, {
      atomic: true,
      durable: true,
      onProgress: () => {
        halfway ??= fs.readFileSync(link, "latin1");
      },
    });
    await waitFor("half of it to have come", () => halfway !== undefined);
    assert.is(halfway, "old");
    left.peer.end(content.subarray(MiB));
    assert.is((await receiving).bytes, content.length);
    assertBytes(fs.readFileSync(link), content);
    assert.ok(fs.lstatSync(link).isSymbolicLink());
    assert.is(fs.statSync(file).mode & 0o7777, 0o640);
    assert.equal(fs.readdirSync(folder), ["file", "link"]);
    // Whoever has the old one open goes on reading it.
    assert.is(fs.readFileSync(old, "latin1"), "old");
    await waitFor("what was opened to be closed", () => openFds().size === before);
    fs.closeSync(old);
    left[Symbol.dispose]();
  },
);

test("transfer() from a pipe with atomic makes a new file, durably", { alone: true }, async () => {
  const folder = tempFolder();
  const { reader, writer } = pipe(folder, { nonblocking: true });
  const receiving = transfer(reader, join(folder, "new"), { atomic: true, durable: true });
  await feedPipe(writer, content);
  assert.is((await receiving).bytes, content.length);
  fs.closeSync(reader);
  assertBytes(fs.readFileSync(join(folder, "new")), content);
});

test(
  "transfer() with atomic leaves the old file, and nothing else, where the peer resets or the call is aborted",
  {},
  async () => {
    const folder = tempFolder();
    const file = join(folder, "file");
    fs.writeFileSync(file, "old");
    for (const how of ["reset", "abort"] as const) {
      using left = await connect();
      const abort = new AbortController();
      left.peer.write(content.subarray(0, MiB));
      let come = 0;
      const receiving = failure(() =>
        transfer(left.socket, file, { atomic: true, signal: abort.signal, onProgress: (bytes) => void (come = bytes) }),
      );
      await waitFor("the bytes to come", () => come === MiB);
      if (how === "abort") abort.abort();
      else left.peer.resetAndDestroy();
      const error = await receiving;
      assert.is(error.code, how === "abort" ? "ABORT_ERR" : "ECONNRESET");
      assert.is(error.bytesTransferred, MiB);
      assert.is(fs.readFileSync(file, "latin1"), "old");
      assert.equal(fs.readdirSync(folder), ["file"]);
    }
  },
);

test("transfer() with atomic or durable refuses what they can't be had for, and touches nothing", {}, async () => {
  const folder = tempFolder();
  const there = fifo(folder);
  const fd = fs.openSync(join(folder, "fd"), "w");
  for (const options of [{ atomic: true }, { durable: true }])
    assert.is((await rejection(() => transfer(content, fd, options))).code, "ERR_INVALID_ARG_VALUE");
  const both = () => transfer(content, join(folder, "new"), { atomic: true, targetOffset: 1 });
  assert.is((await rejection(both)).code, "ERR_INVALID_ARG_VALUE");
  assert.is((await failure(() => transfer(content, folder, { atomic: true }))).code, "EISDIR");
  assert.is((await failure(() => transfer(content, there, { atomic: true }))).code, "ERR_SLUICE_UNSUPPORTED");
  assert.is(
    (await failure(() => transfer(join(folder, "none"), join(folder, "new"), { atomic: true }))).code,
    "ENOENT",
  );
  const wrong = { atomic: 1 } as unknown as { atomic: boolean };
  assert.is((await rejection(() => transfer(content, join(folder, "new"), wrong))).code, "ERR_INVALID_ARG_TYPE");
  fs.closeSync(fd);
  assert.equal(new Set(fs.readdirSync(folder)), new Set(["fd", there.slice(folder.length + 1)]));
});

for (const atomic of [false, true])
  test(
    `transfer() from a socket to a ${atomic ? "whole file" : "file"} on a full disk is ENOSPC, to the byte (50)`,
    { needs: ["root", "engine"] },
    async () => {
      const folder = mountTmpfs("4m");
      const free = fs.statfsSync(folder).bfree;
      const sent = data(6 * MiB + 5);
      using left = await connect();
      left.peer.end(sent);
      const into = join(folder, "into");
      const error = await failure(() => transfer(left.socket, into, { atomic }));
      assert.is(error.code, "ENOSPC");
      assert.is(error.failed, "target");
      assert.is(error.bytesTransferred, 4 * MiB);
      // What had been taken from the socket and found no room is told, and gone; the rest is there to be read.
      let rest = 0;
      for await (const chunk of left.socket) rest += (chunk as Buffer).length;
      assert.is(error.bytesTransferred + error.bytesStranded + rest, sent.length);
      if (atomic) {
        assert.equal(fs.readdirSync(folder), []);
        assert.is(fs.statfsSync(folder).bfree, free, "its room is free again");
      } else assertBytes(fs.readFileSync(into), sent.subarray(0, error.bytesTransferred));
    },
  );

test(
  "transfer() from a pipe to a full disk strands nothing: what is not stored is still in the pipe (50)",
  { needs: ["root", "engine"] },
  async () => {
    const into = join(mountTmpfs("64k"), "into");
    const { reader, writer } = pipe(tempFolder(), { nonblocking: true });
    const sent = data(64 * KiB);
    fs.writeSync(writer, data(16 * KiB, 2));
    await transfer(reader, into, { length: 16 * KiB });
    for (let at = 0; at < sent.length; at += 4 * KiB) fs.writeSync(writer, sent, at, 4 * KiB);
    fs.closeSync(writer);
    const error = await failure(() => transfer(reader, into, { targetOffset: 16 * KiB }));
    assert.is(error.code, "ENOSPC");
    assert.equal([error.bytesTransferred, error.bytesStranded], [48 * KiB, 0]);
    const rest = Buffer.alloc(64 * KiB);
    assert.is(fs.readSync(reader, rest), 16 * KiB);
    assertBytes(rest.subarray(0, 16 * KiB), sent.subarray(48 * KiB));
    fs.closeSync(reader);
  },
);

test(
  "a transfer() that broke off goes on at the byte where it stopped, and the whole is what was sent",
  {},
  async () => {
    const folder = tempFolder();
    const into = join(folder, "into");
    const sent = data(9 * MiB + 3);
    let come = 0;
    for (const cut of [1_000_001, 5 * MiB, undefined]) {
      using left = await connect();
      const start = come;
      left.peer.on("error", () => undefined);
      if (cut === undefined) left.peer.end(sent.subarray(start));
      else left.peer.write(sent.subarray(start, cut));
      const receiving = transfer(left.socket, into, {
        targetOffset: start,
        onProgress: (bytes) => {
          come = start + bytes;
        },
      });
      if (cut !== undefined) {
        // Not every runtime resets a connection that it still has something to write to.
        await waitFor("what was written to come", () => come === cut);
        left.peer.resetAndDestroy();
        const error = await failure(() => receiving);
        assert.is(error.code, "ECONNRESET");
        come = start + error.bytesTransferred;
        assert.is(fs.statSync(into).size, come);
      } else assert.is((await receiving).bytes, sent.length - start);
    }
    assert.is(sha256(fs.readFileSync(into)), sha256(sent));
  },
);
