/** Transfers under a lease: other processes want to change the file while its peer is stalled. */
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { type OnLeaseBreak, transfer } from "sluice";
import { assert, test } from "../support/contract.ts";
import { collect } from "../support/data.ts";
import { takeFdCensus } from "../support/fds.ts";
import { tempFolder } from "../support/temp.ts";
import { type Connection, connect, readExactly } from "./support/connection.ts";
import { pipe } from "./support/descriptors.ts";
import { readPipe } from "./support/ends.ts";
import { assertBytes, dataFile, KiB, MiB } from "./support/files.ts";
import { type Deed, heldUp, other } from "./support/other-process.ts";
import { aWhile, failure, watch } from "./support/outcome.ts";
import { disk, type Place, places } from "./support/places.ts";

/** More than a Unix socket holds. */
const size = 4 * MiB;

interface Stage extends Disposable {
  readonly path: string;
  readonly content: Buffer;
  readonly link: Connection;
}

/** A file, and a peer that reads nothing until it is told to. */
async function stage(place: Place, length = size): Promise<Stage> {
  const link = await connect(join(tempFolder(), "socket"));
  return { ...dataFile(place.folder(), length), link, [Symbol.dispose]: () => link[Symbol.dispose]() };
}

/** Reads up to the end of what was sent. */
async function rest({ link }: Stage, sent: Promise<unknown>): Promise<Buffer> {
  const received = collect(link.peer);
  await sent;
  link.socket.end();
  return received;
}

/** Changes that the lease holds up, and those that it doesn't see. */
const held: readonly Deed[] = ["truncate", "open for writing", "overwrite"];
const unseen: readonly Deed[] = ["rename", "unlink", "replace"];

/** Every deed in the temporary folder, one on each of the other filesystems. */
const scenes = (deeds: readonly Deed[]): readonly (readonly [Place, Deed])[] => [
  ...deeds.map((deed) => [disk, deed] as const),
  ...places.filter((place) => place !== disk).map((place) => [place, deeds[0] ?? "truncate"] as const),
];

for (const [place, deed] of scenes(held)) {
  const needs = ["engine", ...place.needs] as const;
  const leased = (onLeaseBreak: OnLeaseBreak) => ({ consistency: "leased", onLeaseBreak }) as const;

  test(`leased "finish": ${deed} on ${place.name} waits until the peer has all`, { needs }, async () => {
    using scene = await stage(place);
    const { path, content, link } = scene;
    const sending = transfer(path, link.socket, leased("finish"));
    const first = await readExactly(link.peer, 1000);
    const writer = other(deed, path);
    await aWhile();
    assert.not(writer.hasEnded, "the writer is held up");
    const received = Buffer.concat([first, await rest(scene, sending)]);
    assertBytes(received, content);
    assert.is((await sending).leaseBroken, true);
    assert.is(await writer.ended, 0);
  });

  test(`leased "abort": ${deed} on ${place.name} ends the transfer`, { needs }, async () => {
    using scene = await stage(place);
    const { path, link } = scene;
    const sending = failure(() => transfer(path, link.socket, leased("abort")));
    await readExactly(link.peer, 1000);
    const writer = other(deed, path);
    const error = await sending;
    assert.is(error.code, "ERR_SLUICE_LEASE_BROKEN");
    assert.is(error.sourceOffset, error.bytesTransferred);
    assert.ok(error.bytesTransferred > 0 && error.bytesTransferred < size);
    assert.is(await writer.ended, 0);
  });

  test(`leased "snapshot": ${deed} on ${place.name} waits for a copy, not for the peer`, { needs }, async () => {
    using scene = await stage(place);
    const { path, content, link } = scene;
    const sending = transfer(path, link.socket, leased("snapshot"));
    const first = await readExactly(link.peer, 1000);
    assert.is(await other(deed, path).ended, 0);
    assert.not(watch(sending).settled);
    const received = Buffer.concat([first, await rest(scene, sending)]);
    assertBytes(received, content);
    assert.is((await sending).leaseBroken, true);
  });
}

for (const [place, deed] of scenes(unseen)) {
  test(
    `leased: ${deed} on ${place.name} is not held up, and the peer gets the file that was opened`,
    { needs: ["engine", ...place.needs] },
    async () => {
      using scene = await stage(place);
      const { path, content, link } = scene;
      const sending = transfer(path, link.socket, { consistency: "leased", onLeaseBreak: "abort" });
      const first = await readExactly(link.peer, 1000);
      assert.is(await other(deed, path).ended, 0);
      const received = Buffer.concat([first, await rest(scene, sending)]);
      assertBytes(received, content);
      assert.is((await sending).leaseBroken, false);
    },
  );
}

test(
  'leased "finish" with a peer that never reads lets the writer in when time is up',
  { needs: ["engine"] },
  async () => {
    using scene = await stage(disk);
    const { path, link } = scene;
    const sending = failure(() => transfer(path, link.socket, { consistency: "leased", leaseHoldMs: 400 }));
    await readExactly(link.peer, 1000);
    const writer = other("truncate", path);
    assert.is((await sending).code, "ERR_SLUICE_LEASE_BROKEN");
    assert.is(await writer.ended, 0);
  },
);

test("leased: the lease is held until the last byte has been taken", { needs: ["engine"] }, async () => {
  const folder = tempFolder();
  const { path, content } = dataFile(folder, 48 * KiB);
  // A pipe: not every runtime leaves a socket unread that is paused.
  const { reader, writer: target } = pipe(folder, { nonblocking: true });
  const sending = transfer(path, target, { consistency: "leased", strategy: "splice" });
  const sent = watch(sending);
  const first = await readPipe(reader, 1000);
  const writer = other("overwrite", path);
  await heldUp(path);
  assert.not(sent.settled);
  assert.not(writer.hasEnded);
  assertBytes(Buffer.concat([first, await readPipe(reader, content.length - 1000)]), content);
  assert.is((await sending).leaseBroken, true);
  assert.is(await writer.ended, 0);
  for (const fd of [reader, target]) fs.closeSync(fd);
});

test("leased: what was copied needs no acknowledgement", { needs: ["engine"] }, async () => {
  using scene = await stage(disk, 48 * KiB);
  const { path, content, link } = scene;
  const report = await transfer(path, link.socket, { consistency: "leased", strategy: "buffered" });
  assert.is(report.leaseBroken, false);
  assert.is(await other("overwrite", path).ended, 0);
  assertBytes(await rest(scene, Promise.resolve()), content);
});

test("leased: over TCP the peer gets all of it, and the file is free afterwards", { needs: ["engine"] }, async () => {
  const { path, content } = dataFile(tempFolder(), size);
  using link = await connect();
  const received = collect(link.peer);
  const report = await transfer(path, link.socket, { consistency: "leased" });
  link.socket.end();
  assert.is(report.leaseBroken, false);
  assertBytes(await received, content);
  fs.closeSync(fs.openSync(path, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK));
});

test("leased: by the portable path the lease is held, too", { needs: ["engine"] }, async () => {
  using scene = await stage(disk);
  const { path, content, link } = scene;
  const options = { consistency: "leased", onLeaseBreak: "snapshot", strategy: "portable" } as const;
  const sending = transfer(path, link.socket, options);
  const first = await readExactly(link.peer, 1000);
  assert.is(await other("overwrite", path).ended, 0);
  const received = Buffer.concat([first, await rest(scene, sending)]);
  assertBytes(received, content);
  assert.is((await sending).leaseBroken, true);
});

test("leased: an abort releases the lease at once", { needs: ["engine"] }, async () => {
  using scene = await stage(disk);
  const { path, link } = scene;
  const aborting = new AbortController();
  const sending = failure(() => transfer(path, link.socket, { consistency: "leased", signal: aborting.signal }));
  await readExactly(link.peer, 1000);
  aborting.abort();
  assert.is((await sending).code, "ABORT_ERR");
  fs.closeSync(fs.openSync(path, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK));
});

test("leased: a peer that goes away ends the wait for it", { needs: ["engine"] }, async () => {
  using scene = await stage(disk);
  const { path, link } = scene;
  const sending = failure(() => transfer(path, link.socket, { consistency: "leased" }));
  await readExactly(link.peer, 1000);
  link.peer.destroy();
  assert.ok(["EPIPE", "ECONNRESET", "ERR_SLUICE_CLOSED"].includes((await sending).code));
  fs.closeSync(fs.openSync(path, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK));
});

test(
  "leased: a range is sent, and descriptors are left as they were",
  { alone: true, needs: ["engine", "proc"] },
  async () => {
    const { path, content } = dataFile(tempFolder(), size);
    const target = join(tempFolder(), "target");
    await transfer(path, target, { consistency: "leased" });
    const census = await takeFdCensus();
    const fd = fs.openSync(path, "r");
    const range = { offset: 1000, length: 5000, consistency: "leased" } as const;
    assert.is((await transfer(fd, target, range)).bytes, 5000);
    fs.closeSync(fd);
    assertBytes(fs.readFileSync(target), content.subarray(1000, 6000));
    await census.assertUnchanged();
  },
);

test("leased: a file that is open for writing is EAGAIN, and nothing is touched", { needs: ["engine"] }, async () => {
  const { path } = dataFile(tempFolder(), KiB);
  const target = join(tempFolder(), "target");
  fs.writeFileSync(target, "old");
  const writer = fs.openSync(path, "r+");
  const error = await failure(() => transfer(path, target, { consistency: "leased" }));
  assert.is(error.code, "EAGAIN");
  assert.is(error.bytesTransferred, 0);
  assert.is(fs.readFileSync(target, "utf8"), "old");
  fs.closeSync(writer);
});

test("leased: what is no regular file is ERR_SLUICE_UNSUPPORTED", { needs: ["engine"] }, async () => {
  using link = await connect();
  for (const source of [new Uint8Array(10), "/dev/zero", link.socket] as const)
    assert.is(
      (await failure(() => transfer(source, join(tempFolder(), "target"), { consistency: "leased", length: 1 }))).code,
      "ERR_SLUICE_UNSUPPORTED",
    );
});

test("leased: without the engine it is ERR_SLUICE_UNSUPPORTED, never live", { alone: true }, async () => {
  process.env["SLUICE_DISABLE_NATIVE"] = "1";
  const { path } = dataFile(tempFolder(), KiB);
  const target = join(tempFolder(), "target");
  const error = await failure(() => transfer(path, target, { consistency: "leased" }));
  assert.is(error.code, "ERR_SLUICE_UNSUPPORTED");
});

test("transfer() reports no broken lease where there was none", {}, async () => {
  const { path } = dataFile(tempFolder(), KiB);
  assert.is((await transfer(path, join(tempFolder(), "target"))).leaseBroken, false);
});
