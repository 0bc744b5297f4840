/** What a connection has in hand goes on at once, on the calling thread, and the engine goes on from there. */
import * as fs from "node:fs";
import { join } from "node:path";
import { transfer } from "sluice";
import { stats } from "sluice/stream";
import { assert, test } from "../support/contract.ts";
import { collect } from "../support/data.ts";
import { takeFdCensus } from "../support/fds.ts";
import { tempFolder } from "../support/temp.ts";
import { connect } from "./support/connection.ts";
import { assertBytes, data, KiB, MiB } from "./support/files.ts";
import { mountTmpfs } from "./support/limits.ts";
import { assertTaken, closed, ways } from "./support/streams.ts";
import { once } from "node:events";

const way = ways.sluice;
/** More than the runtime reads by itself, and no more than a Unix socket holds. */
const content = data(150 * KiB, 5);
const jobsDone = () => stats().engine?.jobs.done;

/** A connection whose peer has sent the content and its end, all of which has arrived. */
async function arrived() {
  const link = await connect(join(tempFolder(), "source"));
  link.peer.end(content);
  await once(link.peer, "finish");
  return link;
}

test("what has arrived of a socket goes to another without a job of the engine", { needs: ["engine"] }, async () => {
  using from = await arrived();
  using to = await connect();
  const received = collect(to.peer);
  const before = jobsDone();
  way.pipe(from.socket, to.socket);
  assertBytes(await received, content);
  assertTaken(way, from.socket);
  assert.is(jobsDone(), before);
});

test("what has arrived of a socket goes to a file in memory likewise", { needs: ["engine", "root"] }, async () => {
  using from = await arrived();
  const into = join(mountTmpfs("1m"), "into");
  const target = fs.createWriteStream(into);
  await once(target, "open");
  const before = jobsDone();
  way.pipe(from.socket, target);
  await closed(target);
  assertBytes(fs.readFileSync(into), content);
  assertTaken(way, from.socket);
  assert.is(jobsDone(), before);
});

test(
  "a file in memory that fills up ends such a stream as with node:stream",
  { needs: ["engine", "root"] },
  async () => {
    const outcomes: unknown[] = [];
    for (const each of [ways.plain, ways.sluice]) {
      using from = await arrived();
      const into = join(mountTmpfs("100k"), "into");
      const target = fs.createWriteStream(into);
      const failed = once(target, "error");
      each.pipe(from.socket, target);
      const [error] = (await failed) as [NodeJS.ErrnoException];
      await closed(target);
      assertBytes(fs.readFileSync(into), content.subarray(0, 100 * KiB));
      outcomes.push(error.code);
    }
    assert.equal(outcomes, ["ENOSPC", "ENOSPC"]);
  },
);

test("a file that is appended to gets what has arrived once, behind what it has", { needs: ["engine"] }, async () => {
  using from = await arrived();
  const into = join(tempFolder(), "into");
  fs.writeFileSync(into, "before");
  const target = fs.createWriteStream(into, { flags: "a" });
  way.pipe(from.socket, target);
  await closed(target);
  assertBytes(fs.readFileSync(into), Buffer.concat([Buffer.from("before"), content]));
});

for (const unix of [false, true])
  test(
    `transfer() of pieces of a ${unix ? "Unix" : "TCP"} connection, one after another, keeps every byte in its place`,
    { alone: true, needs: ["proc"] },
    async () => {
      const folder = tempFolder();
      const path = (name: string) => (unix ? join(folder, name) : undefined);
      const sent = data(6 * MiB, 9);
      const play = async (round: number) => {
        using from = await connect(path(`from${round}`));
        using to = await connect(path(`to${round}`));
        const received = collect(to.peer);
        from.peer.end(sent);
        let moved = 0;
        for (let index = 0; moved < sent.length; index++) {
          const length = Math.min(1 + ((index * 104_729) % (400 * KiB)), sent.length - moved);
          const { bytes } = await transfer(from.socket, to.socket, { length });
          assert.is(bytes, length);
          moved += bytes;
        }
        to.socket.end();
        assertBytes(await received, sent);
      };
      await play(0);
      const census = await takeFdCensus();
      await play(1);
      await census.assertUnchanged();
    },
  );

test("a target that stands still gets what was taken for it when it moves again", { needs: ["engine"] }, async () => {
  using from = await connect();
  using to = await connect();
  const sent = data(8 * MiB, 3);
  from.peer.end(sent);
  const length = sent.length - 5;
  const moving = transfer(from.socket, to.socket, { length });
  // Its queues are full by now, and the pipe between.
  await new Promise((resolve) => setTimeout(resolve, 50));
  const received = collect(to.peer);
  assert.is((await moving).bytes, length);
  to.socket.end();
  assertBytes(await received, sent.subarray(0, length));
});

test("an aborted transfer() tells how much had left, and what it had taken", { needs: ["engine"] }, async () => {
  using from = await connect();
  using to = await connect();
  const sent = data(16 * MiB, 7);
  from.peer.end(sent);
  const controller = new AbortController();
  const moving = transfer(from.socket, to.socket, { signal: controller.signal });
  await new Promise((resolve) => setTimeout(resolve, 50));
  controller.abort();
  const error = await moving.then(
    () => undefined,
    (thrown: { bytesTransferred: number; bytesStranded: number; code: string }) => thrown,
  );
  assert.is(error?.code, "ABORT_ERR");
  const received = collect(to.peer);
  to.socket.end();
  const { bytesTransferred = 0, bytesStranded = 0 } = error ?? {};
  assertBytes(await received, sent.subarray(0, bytesTransferred));
  let rest = 0;
  for await (const chunk of from.socket) rest += (chunk as Buffer).length;
  assert.is(bytesTransferred + bytesStranded + rest, sent.length);
});
