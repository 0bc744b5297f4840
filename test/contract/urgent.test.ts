/**
 * Urgent data in a stream. splice(2) stops at it, with the answers of an empty queue or of an end; whatever the mechanism, what
 * arrives is the stream, its end is the connection's end, and nobody spins meanwhile.
 */
import * as fs from "node:fs";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { proxy, type Strategy, tee, type TeeStrategy, transfer } from "sluice";
import { assert, test } from "../support/contract.ts";
import { collect } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";
import { streamOf, type UrgentPeer, urgentPeer, withoutMarks } from "../support/urgent-peer.ts";
import { connect } from "./support/connection.ts";
import { pipe } from "./support/descriptors.ts";
import { drainPipe } from "./support/ends.ts";
import { assertBytes } from "./support/files.ts";
import { aWhile, failure } from "./support/outcome.ts";
import { allFrom } from "./support/pair.ts";

/** A worker that spins makes a hundred thousand in the time that a peer waits here. */
const mostSyscalls = 1000;

interface Met extends Disposable {
  readonly socket: Socket;
  readonly peer: UrgentPeer;
}

/** A connection with such a peer, accepted and not read. */
async function meet(score: string, path?: string): Promise<Met> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  server.listen(path === undefined ? { port: 0, host: "127.0.0.1" } : { path });
  await once(server, "listening");
  const accepted = once(server, "connection");
  const peer = urgentPeer(path ?? (server.address() as AddressInfo).port, score);
  const [socket] = (await accepted) as [Socket];
  server.close();
  socket.on("error", () => undefined);
  return {
    socket,
    peer,
    [Symbol.dispose]() {
      socket.destroy();
      peer[Symbol.dispose]();
    },
  };
}

/** The peer begins when the engine has the connection, and waits at each `w` for a while. */
async function conduct({ peer }: Met, score: string): Promise<void> {
  for (const letter of score) {
    if (letter !== "w") continue;
    await aWhile();
    peer.goOn();
  }
}

const scores = {
  "between two pieces": "w-!-f",
  "while nobody has anything": "w-aw!w-f",
  "as the first byte": "w!-f",
  "as the last byte": "w-!f",
  "as the only one": "w!f",
  "again and again": "w-!-!-w!w-!f",
} as const;

/** All of them at once: they mostly wait. */
const everyScore = (check: (score: string, what: string) => Promise<void>): Promise<unknown> =>
  Promise.all(Object.entries(scores).map(([what, score]) => check(score, what)));

const strategies = ["auto", "splice", "buffered", "portable"] as const satisfies readonly (Strategy | "auto")[];
const needsFor = (strategy: string) =>
  strategy === "portable" || strategy === "auto" ? (["compiler"] as const) : (["engine", "compiler"] as const);

/** What arrives at each kind of target. */
const arrivals = {
  async file({ socket }: Met, strategy: Strategy | "auto", folder: string) {
    const to = join(folder, "target");
    const report = await transfer(socket, to, { strategy });
    return { report, received: fs.readFileSync(to) };
  },
  async socket({ socket }: Met, strategy: Strategy | "auto") {
    using right = await connect();
    const received = collect(right.peer);
    const report = await transfer(socket, right.socket, { strategy });
    right.socket.end();
    return { report, received: await received };
  },
  async pipe({ socket }: Met, strategy: Strategy | "auto", folder: string) {
    const out = pipe(folder, { nonblocking: true });
    const received = drainPipe(out.reader);
    const report = await transfer(socket, out.writer, { strategy });
    fs.closeSync(out.writer);
    return { report, received: await received };
  },
};

for (const strategy of strategies)
  for (const [target, arrive] of Object.entries(arrivals))
    test(`transfer() by ${strategy} to a ${target} goes past urgent data`, { needs: needsFor(strategy) }, async () => {
      await everyScore(async (score, what) => {
        using met = await meet(score);
        const [{ report, received }] = await Promise.all([arrive(met, strategy, tempFolder()), conduct(met, score)]);
        assertBytes(withoutMarks(received), streamOf(score), what);
        assert.is(report.bytes, received.length, what);
        assert.ok(report.syscalls < mostSyscalls, `${what}: ${report.syscalls} system calls`);
      });
    });

test("transfer() from a Unix socket goes past urgent data", { needs: ["compiler"] }, async () => {
  for (const strategy of ["auto", "buffered", "portable"] as const)
    await everyScore(async (score, what) => {
      const folder = tempFolder();
      using met = await meet(score, join(folder, "socket"));
      const [{ received }] = await Promise.all([arrivals.file(met, strategy, folder), conduct(met, score)]);
      assertBytes(withoutMarks(received), streamOf(score), `${strategy}, ${what}`);
    });
});

for (const strategy of ["auto", "splice", "buffered"] as const)
  test(
    `transfer() by ${strategy} delivers what is behind urgent data and tells of the reset`,
    // A runtime that reads the socket, too, when it is reset takes bytes with it; the error says how many came.
    { needs: ["engine", "compiler", "stillSockets"] },
    async () => {
      const score = "w-!-ar";
      const to = join(tempFolder(), "target");
      using met = await meet(score);
      const conducting = conduct(met, score);
      const error = await failure(() => transfer(met.socket, to, { strategy }));
      await conducting;
      assert.is(error.code, "ECONNRESET");
      assert.is(error.bytesTransferred, streamOf(score).length);
      assertBytes(fs.readFileSync(to), streamOf(score));
    },
  );

test(
  "transfer() of a length ends at urgent data and goes on behind it",
  { needs: ["engine", "compiler"] },
  async () => {
    const score = "w-!-f";
    const content = streamOf(score);
    for (const strategy of ["auto", "splice", "buffered"] as const) {
      const folder = tempFolder();
      using met = await meet(score);
      const conducting = conduct(met, score);
      const half = content.length / 2;
      for (const [index, length] of [half - 1, 1, 1, half - 1].entries())
        await transfer(met.socket, join(folder, String(index)), { length, strategy });
      await conducting;
      const parts = [0, 1, 2, 3].map((index) => fs.readFileSync(join(folder, String(index))));
      assertBytes(Buffer.concat(parts), content, strategy);
    }
  },
);

for (const strategy of ["auto", "splice", "buffered", "portable"] as const)
  test(`proxy() by ${strategy} goes past urgent data`, { needs: needsFor(strategy) }, async () => {
    await everyScore(async (small, what) => {
      // A flow is spliced once its reads have been large ones.
      const score = small.replaceAll("-", "L");
      using met = await meet(score);
      using right = await connect();
      const received = allFrom(right.peer);
      const [report] = await Promise.all([
        proxy(met.socket, right.socket, { strategy }),
        received.then(() => right.peer.end()),
        conduct(met, score),
      ]);
      assert.is(report.end, "ended", what);
      assertBytes(withoutMarks(await received), streamOf(score), what);
      assert.ok(report.aToB.syscalls < mostSyscalls, `${what}: ${report.aToB.syscalls} system calls`);
      assert.is(await met.peer.ended, 0);
    });
  });

for (const strategy of ["tee", "buffered", "portable"] as const satisfies readonly TeeStrategy[])
  test(`tee() by ${strategy} goes past urgent data`, { needs: needsFor(strategy) }, async () => {
    await everyScore(async (score, what) => {
      const folder = tempFolder();
      const targets = [join(folder, "one"), join(folder, "two")];
      using met = await meet(score);
      const [report] = await Promise.all([tee(met.socket, targets, { strategy }), conduct(met, score)]);
      for (const target of targets) assertBytes(withoutMarks(fs.readFileSync(target)), streamOf(score), what);
      assert.ok(report.bytes >= streamOf(score).length);
    });
  });
