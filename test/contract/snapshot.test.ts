/** Snapshots: the peer gets the bytes of the moment of the call, whatever becomes of the file. */
import * as fs from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { transfer } from "sluice";
import { assert, test } from "../support/contract.ts";
import { collect } from "../support/data.ts";
import { takeFdCensus } from "../support/fds.ts";
import { tempFolder } from "../support/temp.ts";
import { connect, readExactly } from "./support/connection.ts";
import { assertBytes, data, dataFile, KiB, MiB } from "./support/files.ts";
import { type Deed, deeds, other } from "./support/other-process.ts";
import { failure } from "./support/outcome.ts";
import { disk, type Place, places } from "./support/places.ts";

const size = 4 * MiB;

const scenes: readonly (readonly [Place, Deed])[] = [
  ...(Object.keys(deeds) as Deed[]).map((deed) => [disk, deed] as const),
  ...places.filter((place) => place !== disk).map((place) => [place, "overwrite"] as const),
];

async function play(place: Place, deed: Deed): Promise<void> {
  const { path, content } = dataFile(place.folder(), size);
  using link = await connect(join(tempFolder(), "socket"));
  const sending = transfer(path, link.socket, { consistency: "snapshot" });
  const first = await readExactly(link.peer, 1000);
  const before = new Set(fs.readdirSync(dirname(path)));
  assert.is(await other(deed, path).ended, 0);
  const received = collect(link.peer);
  const { bytes, leaseBroken } = await sending;
  link.socket.end();
  assertBytes(Buffer.concat([first, await received]), content);
  assert.is(bytes, size);
  assert.is(leaseBroken, false);
  const added = fs.readdirSync(dirname(path)).filter((name) => !before.has(name) && !name.endsWith(".renamed"));
  assert.equal(added, [], "nothing is left behind");
}

for (const [place, deed] of scenes)
  test(`snapshot: the peer does not see ${deed} on ${place.name}`, { needs: place.needs }, () => play(place, deed));

test("snapshot: without the engine, too", { alone: true }, async () => {
  process.env["SLUICE_DISABLE_NATIVE"] = "1";
  await play(disk, "overwrite");
});

test("snapshot: it is taken at the call, not when the socket's turn comes", {}, async () => {
  const { path, content } = dataFile(tempFolder(), 64 * KiB);
  using link = await connect(join(tempFolder(), "socket"));
  const blocker = data(size, 3);
  link.socket.write(blocker);
  const copied = fs.readdirSync("/proc/self/fd").length;
  const sending = transfer(path, link.socket, { consistency: "snapshot" });
  const first = await readExactly(link.peer, 1000);
  // The copy has a descriptor of its own beside the source's, and nothing has been sent of it yet.
  while (fs.readdirSync("/proc/self/fd").length < copied + 2) await new Promise((resolve) => setTimeout(resolve, 5));
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.is(await other("overwrite", path).ended, 0);
  const received = collect(link.peer);
  await sending;
  link.socket.end();
  assertBytes(Buffer.concat([first, await received]), Buffer.concat([blocker, content]));
});

test(
  "snapshot: a range of a borrowed descriptor, which may be closed at once",
  { alone: true, needs: ["proc"] },
  async () => {
    const { path, content } = dataFile(tempFolder(), size);
    const target = join(tempFolder(), "target");
    await transfer(path, target, { consistency: "snapshot" });
    const census = await takeFdCensus();
    const fd = fs.openSync(path, "r");
    const sending = transfer(fd, target, { consistency: "snapshot", offset: 70_001, length: 100_000 });
    fs.closeSync(fd);
    assert.is((await sending).bytes, 100_000);
    assertBytes(fs.readFileSync(target), content.subarray(70_001, 170_001));
    await census.assertUnchanged();
  },
);

test("snapshot: past the end there is nothing, and an empty file is empty", {}, async () => {
  const { path } = dataFile(tempFolder(), KiB);
  const target = join(tempFolder(), "target");
  assert.is((await transfer(path, target, { consistency: "snapshot", offset: 5000 })).bytes, 0);
  fs.truncateSync(path);
  assert.is((await transfer(path, target, { consistency: "snapshot" })).bytes, 0);
});

test("snapshot: a file whose size nobody knows is saved to its end", { needs: ["proc"] }, async () => {
  const target = join(tempFolder(), "target");
  const { bytes } = await transfer("/proc/version", target, { consistency: "snapshot" });
  assert.is(fs.readFileSync(target, "utf8"), fs.readFileSync("/proc/version", "utf8"));
  assert.is(bytes, fs.statSync(target).size);
});

test("snapshot: a file that is written while it is copied is ERR_SLUICE_CHANGED", { needs: ["tmpfs"] }, async () => {
  // Memory filesystems share no blocks, so that it takes a while.
  const { path } = dataFile(tempFolder("/dev/shm"), 64 * MiB);
  const writer = fs.openSync(path, "r+");
  const busy = setInterval(() => fs.writeSync(writer, "x", 0), 1);
  const options = { consistency: "snapshot" } as const;
  const error = await failure(() => transfer(path, join(tempFolder(), "target"), options));
  clearInterval(busy);
  fs.closeSync(writer);
  assert.is(error.code, "ERR_SLUICE_CHANGED");
  assert.is(error.bytesTransferred, 0);
});

test("snapshot: a folder that can't be written to is no obstacle", { needs: ["proc"] }, async () => {
  const target = join(tempFolder(), "target");
  await transfer("/proc/self/cmdline", target, { consistency: "snapshot" });
  assert.ok(fs.statSync(target).size > 0);
});

test("snapshot: what is no regular file is ERR_SLUICE_UNSUPPORTED", { needs: ["engine"] }, async () => {
  for (const source of [new Uint8Array(10), "/dev/zero"] as const)
    assert.is(
      (await failure(() => transfer(source, join(tempFolder(), "target"), { consistency: "snapshot", length: 1 })))
        .code,
      "ERR_SLUICE_UNSUPPORTED",
    );
});
