/** CASES.md F: two connections joined by proxy(). */
import { once } from "node:events";
import { type AddressInfo, connect as dial, createServer, type Socket } from "node:net";
import { proxy, type ProxyReport } from "sluice";
import { assert, test } from "../support/contract.ts";
import { sha256 } from "../support/data.ts";
import { takeFdCensus, takeFdCensusWithoutPipes } from "../support/fds.ts";
import { waitFor } from "../support/wait.ts";
import { type Connection, connect, listen, readExactly } from "./support/connection.ts";
import { fdOfSocket, openFds } from "./support/descriptors.ts";
import { assertBytes, data, KiB, MiB } from "./support/files.ts";
import { aWhile, failure, rejection, watch } from "./support/outcome.ts";
import { allFrom, digestFrom, ending, joined, type Kind } from "./support/pair.ts";

const broken = ["ECONNRESET", "EPIPE"];

function assertEnded(report: ProxyReport, aToB: number, bToA: number): void {
  assert.is(report.end, "ended");
  for (const [flow, bytes] of [
    [report.aToB, aToB],
    [report.bToA, bToA],
  ] as const) {
    assert.is(flow.bytes, bytes);
    assert.ok(flow.ended);
    assert.is(flow.bytesStranded, 0);
  }
  assert.ok(report.durationNs > 0);
}

/** Sends both ways at once, in pieces of all sizes, and ends one side long before the other. */
async function exchange(kind: Kind, options: Parameters<typeof proxy>[2]): Promise<ProxyReport> {
  using pair = await joined(kind);
  const [down, up] = [data(5 * MiB + 3, 1), data(3 * MiB + 1, 2)];
  const reporting = proxy(pair.a, pair.b, options);
  const received = [digestFrom(pair.backend), digestFrom(pair.client)];
  for (let at = 0, size = 1; at < up.length; at += size, size = (size * 7) % 99_991)
    pair.client.write(up.subarray(at, Math.min(at + size, up.length)));
  pair.client.end();
  pair.backend.write(down.subarray(0, MiB));
  assert.equal(await received[0], { bytes: up.length, sha256: sha256(up) });
  pair.backend.end(down.subarray(MiB));
  assert.equal(await received[1], { bytes: down.length, sha256: sha256(down) });
  const report = await reporting;
  assertEnded(report, up.length, down.length);
  assert.ok(pair.a.destroyed && pair.b.destroyed, "both are closed in the end");
  return report;
}

for (const [kind, needs] of [
  ["TCP", []],
  ["IPv6", ["ipv6"]],
  ["Unix", []],
] as const) {
  test(
    `proxy() between ${kind} sockets moves every byte both ways, and each end by itself (76)`,
    { needs },
    async () => {
      const { aToB } = await exchange(kind, {});
      // Deno shows no descriptor of a Unix socket.
      assert.ok(kind === "Unix" || aToB.strategy !== "portable" || aToB.reason !== "", aToB.reason);
      await exchange(kind, { strategy: "portable" });
    },
  );
}

test(
  "proxy() of TCP sockets splices what is large, and copies where it is told to",
  { needs: ["engine"], alone: true },
  async () => {
    await exchange("TCP", {});
    const census = await takeFdCensusWithoutPipes();
    const spliced = await exchange("TCP", {});
    for (const flow of [spliced.aToB, spliced.bToA]) {
      assert.is(flow.strategy, "splice");
      assert.ok(flow.syscalls > 0);
    }
    // What was sent at once; what came in pieces may have been read as such.
    assert.ok(spliced.bToA.splicedBytes > 0);
    const copied = await exchange("TCP", { strategy: "buffered" });
    assert.is(copied.aToB.strategy, "buffered");
    assert.is(copied.aToB.splicedBytes, 0);
    await census.assertUnchanged();
  },
);

test("proxy() of small messages splices nothing", { needs: ["engine"] }, async () => {
  using pair = await joined();
  const reporting = proxy(pair.a, pair.b);
  for (let i = 0; i < 200; i++) {
    const message = data(64, i);
    pair.client.write(message);
    assertBytes(await readExactly(pair.backend, 64), message);
    pair.backend.write(message);
    assertBytes(await readExactly(pair.client, 64), message);
  }
  pair.client.end();
  pair.backend.end();
  const report = await reporting;
  assertEnded(report, 200 * 64, 200 * 64);
  assert.is(report.aToB.splicedBytes, 0);
  assert.ok(report.aToB.syscalls <= 2 * 200 + 10, `${report.aToB.syscalls} calls for 200 messages`);
});

test("proxy() of a client that sends three bytes and closes before the backend accepts (75)", {}, async () => {
  for (const half of [true, false]) {
    using left = await connect();
    left.peer.on("error", () => undefined);
    const server = createServer({ allowHalfOpen: half });
    await once(server.listen(0, "127.0.0.1"), "listening");
    left.peer.end("abc");
    if (!half) left.peer.destroySoon();
    await once(left.peer, "finish");
    const accepted = once(server, "connection");
    const reporting = proxy(left.socket, dial((server.address() as AddressInfo).port, "127.0.0.1"));
    const [backend] = (await accepted) as [import("node:net").Socket];
    assert.is((await allFrom(backend)).toString(), "abc");
    backend.end();
    assertEnded(await reporting, 3, 0);
    server.close();
  }
});

test("proxy() forwards a FIN, then the whole answer, then the FIN back (76)", {}, async () => {
  using pair = await joined();
  const answer = data(MiB);
  const reporting = proxy(pair.a, pair.b);
  pair.client.end("question");
  assert.is((await allFrom(pair.backend)).toString(), "question");
  assert.not.ok(watch(reporting).settled);
  await aWhile();
  pair.backend.end(answer);
  assertBytes(await allFrom(pair.client), answer);
  assertEnded(await reporting, 8, answer.length);
});

test("proxy() resets one side when the other is reset with bytes on their way (77)", { alone: true }, async () => {
  await exchange("TCP", {});
  const census = await takeFdCensusWithoutPipes();
  {
    using pair = await joined();
    const failing = failure(() => proxy(pair.a, pair.b));
    const end = ending(pair.client);
    pair.client.write(data(32 * MiB));
    await readExactly(pair.backend, 100 * KiB);
    await aWhile();
    pair.backend.resetAndDestroy();
    const error = await failing;
    assert.ok(broken.includes(error.code), error.stack);
    assert.is(error.proxy?.failed, "b");
    assert.ok(error.bytesTransferred >= 100 * KiB);
    assert.is(error.bytesTransferred, (error.proxy?.aToB.bytes ?? 0) + (error.proxy?.bToA.bytes ?? 0));
    assert.not.ok(error.proxy?.aToB.ended);
    assert.ok([...broken, "end", "close"].includes(await end));
    assert.ok(pair.a.destroyed && pair.b.destroyed);
  }
  // The pipe that had bytes in it is nobody else's.
  for (let i = 0; i < 5; i++) await exchange("TCP", {});
  await census.assertUnchanged();
});

test("proxy() to a backend that refuses closes the client and says why (78)", { alone: true }, async () => {
  const server = createServer();
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  const refused = async (): Promise<void> => {
    using left = await connect();
    const end = ending(left.peer);
    const error = await failure(() => proxy(left.socket, dial(port, "127.0.0.1")));
    assert.is(error.code, "ECONNREFUSED");
    assert.ok([...broken, "end", "close"].includes(await end));
    assert.ok(left.socket.destroyed);
  };
  await refused();
  const census = await takeFdCensus();
  await refused();
  await census.assertUnchanged();
});

test("proxy() loses nothing that comes while it waits for the connection to the backend (78)", {}, async () => {
  await using host = await listen();
  const { port } = host.server.address() as AddressInfo;
  for (const flowing of [false, true]) {
    using left = await connect();
    const content = data(300 * KiB);
    // A listener that would get what nobody holds back.
    if (flowing) left.socket.on("data", () => undefined);
    const accepted = once(host.server, "connection");
    const target = dial({
      port,
      host: "name.invalid",
      family: 4,
      lookup: (_name, options, answer) =>
        void setTimeout(() => {
          if (options.all) (answer as (e: null, all: object[]) => void)(null, [{ address: "127.0.0.1", family: 4 }]);
          else answer(null, "127.0.0.1", 4);
        }, 150),
    });
    const reporting = proxy(left.socket, target);
    left.peer.end(content);
    const [backend] = (await accepted) as [import("node:net").Socket];
    const received = allFrom(backend);
    backend.end();
    assertBytes(await received, content);
    assertEnded(await reporting, content.length, 0);
  }
});

test("proxy() sends the head, then what JavaScript has read, then the rest (79)", {}, async () => {
  for (const strategy of ["auto", "portable"] as const) {
    using pair = await joined();
    const content = data(MiB + 17);
    const seen: Buffer[] = [];
    pair.client.write(content.subarray(0, 5000));
    const sniffed = await new Promise<Buffer>((resolve) => {
      pair.a.once("data", resolve);
      pair.a.on("data", (chunk: Buffer) => seen.push(chunk));
    });
    pair.a.pause();
    pair.a.unshift(sniffed);
    const before = seen.length;
    pair.b.write("written before|");
    const received = allFrom(pair.backend);
    const reporting = proxy(pair.a, pair.b, { head: Buffer.from("PROXY TCP4 …\r\n"), strategy });
    pair.client.end(content.subarray(5000));
    pair.backend.end();
    assertBytes(await received, Buffer.concat([Buffer.from("written before|PROXY TCP4 …\r\n"), content]));
    assertEnded(await reporting, content.length, 0);
    assert.is(seen.length, before, "a listener of 'data' heard of bytes that are the proxy's");
  }
});

test("proxy() holds back the faster side, and both come to their end (80)", {}, async () => {
  using pair = await joined();
  const [down, up] = [data(48 * MiB, 1), data(48 * MiB, 2)];
  let progress = { aToB: 0, bToA: 0 };
  const reporting = proxy(pair.a, pair.b, { onProgress: (bytes) => (progress = bytes) });
  pair.client.end(up);
  pair.backend.end(down);
  await aWhile();
  await aWhile();
  assert.ok(progress.aToB < up.length && progress.bToA < down.length, "somebody took what nobody reads");
  assert.ok(pair.client.writableLength > 0 && pair.backend.writableLength > 0, "the senders were not held back");
  const slowly = (async () => {
    await readExactly(pair.backend, 64 * KiB);
    await aWhile();
    return digestFrom(pair.backend);
  })();
  assert.equal(await digestFrom(pair.client), { bytes: down.length, sha256: sha256(down) });
  assert.is((await slowly).bytes, up.length - 64 * KiB);
  assertEnded(await reporting, up.length, down.length);
  assert.equal(progress, { aToB: up.length, bToA: down.length }, "the last call tells the whole");
});

test("proxy() ends an idle pair, and only one that is idle", {}, async () => {
  for (const strategy of ["auto", "portable"] as const) {
    using pair = await joined();
    const started = performance.now();
    const reporting = proxy(pair.a, pair.b, { idleTimeoutMs: 1000, strategy });
    const ends = [ending(pair.client), ending(pair.backend)];
    // Together they outlast the time-out.
    for (let i = 0; i < 6; i++) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      pair.client.write("x");
    }
    const { end, aToB } = await reporting;
    assert.is(end, "idle");
    assert.is(aToB.bytes, 6);
    assert.not.ok(aToB.ended);
    assert.ok(performance.now() - started > 2000);
    assert.equal(await Promise.all(ends), ["end", "end"]);
  }
});

test("proxy() ends a pair whose time is up, however busy it is", {}, async () => {
  using pair = await joined();
  const ends = [ending(pair.client), ending(pair.backend)];
  const busy = setInterval(() => pair.client.write("x"), 20);
  const { end } = await proxy(pair.a, pair.b, { timeoutMs: 1500, idleTimeoutMs: 1200 });
  clearInterval(busy);
  assert.is(end, "timeout");
  for (const each of await Promise.all(ends)) assert.ok([...broken, "end", "close"].includes(each), each);
});

test("proxy() waits for a connection no longer than its time", {}, async () => {
  using left = await connect();
  // TEST-NET-1 (RFC 5737): nobody answers, or the network says at once that it can't be reached.
  const outcome = await proxy(left.socket, dial(9, "192.0.2.1"), { timeoutMs: 200 }).then(
    ({ end }) => end,
    (error: { code: string }) => error.code,
  );
  assert.ok(["timeout", "ENETUNREACH", "EHOSTUNREACH", "ECONNREFUSED", "EACCES", "EPERM"].includes(outcome), outcome);
  assert.ok(left.socket.destroyed);
});

test("proxy() stops a direction that has more than it may, and not one that has as much", {}, async () => {
  for (const strategy of ["auto", "portable"] as const)
    for (const [most, end] of [
      [200_000, "ended"],
      [199_999, "limit"],
      [3, "limit"],
    ] as const) {
      using pair = await joined();
      const content = data(200_000);
      pair.client.write(content.subarray(0, 1000));
      await once(pair.a, "readable");
      const reporting = proxy(pair.a, pair.b, { maxBytes: { aToB: most }, strategy });
      const received = allFrom(pair.backend);
      // What lies unread at a close makes it a reset, which may overtake what was sent.
      if (most > 1000) {
        pair.backend.write("not limited");
        await readExactly(pair.client, 11);
      }
      pair.client.end(content.subarray(1000));
      if (end === "ended") pair.backend.end();
      const report = await reporting;
      assert.is(report.end, end);
      assert.is(report.aToB.bytes, most);
      assertBytes(await received, content.subarray(0, most));
    }
});

test("proxy() aborts before, while it connects and midway, and says how far it came", { alone: true }, async () => {
  await exchange("TCP", {});
  const census = await takeFdCensusWithoutPipes();
  const reason = new Error("enough");
  for (const when of ["before", "connecting", "midway", "onProgress"] as const) {
    using pair = await joined();
    const controller = new AbortController();
    if (when === "before") controller.abort(reason);
    const ends = [ending(pair.client), ending(pair.backend)];
    let moved = 0;
    const failing = failure(() =>
      proxy(pair.a, pair.b, {
        signal: controller.signal,
        onProgress: ({ aToB }) => void (moved = aToB),
        ...(when === "onProgress" && {
          onProgress: () => {
            throw reason;
          },
        }),
      }),
    );
    if (when === "connecting") controller.abort(reason);
    if (when === "midway" || when === "onProgress") pair.client.write(data(100 * KiB));
    if (when === "midway") {
      await waitFor("it to be on its way", () => moved === 100 * KiB);
      controller.abort(reason);
    }
    const error = await failing;
    assert.is(error.code, "ABORT_ERR");
    assert.is(error.name, "AbortError");
    assert.is(error.cause, reason);
    assert.is(error.proxy?.aToB.bytes, when === "midway" || when === "onProgress" ? 100 * KiB : 0);
    for (const end of await Promise.all(ends)) assert.ok([...broken, "end", "close"].includes(end), end);
    assert.ok(pair.a.destroyed && pair.b.destroyed);
  }
  await census.assertUnchanged();
});

test("proxy() resets both connections when it is aborted", { needs: ["engine"] }, async () => {
  using pair = await joined();
  const controller = new AbortController();
  const failing = failure(() => proxy(pair.a, pair.b, { signal: controller.signal }));
  const ends = [ending(pair.client), ending(pair.backend)];
  pair.client.write("x");
  await aWhile();
  controller.abort();
  assert.is((await failing).code, "ABORT_ERR");
  assert.equal(await Promise.all(ends), ["ECONNRESET", "ECONNRESET"]);
});

test("proxy() ends when one of its sockets is closed by somebody else", {}, async () => {
  using pair = await joined();
  const failing = failure(() => proxy(pair.a, pair.b));
  const end = ending(pair.client);
  pair.client.write("x");
  await readExactly(pair.backend, 1);
  // On Deno the proxy has closed it already, and keeps the connection itself.
  if (pair.b.destroyed) pair.backend.resetAndDestroy();
  else pair.b.destroy();
  const error = await failing;
  assert.ok(["ERR_SLUICE_CLOSED", ...broken].includes(error.code), error.stack);
  assert.is(error.proxy?.failed, "b");
  assert.is(error.proxy?.aToB.bytes, 1);
  await end;
});

test(
  "proxy() of descriptors leaves their numbers to the caller",
  { needs: ["stillSockets", "engine", "proc"], alone: true },
  async () => {
    // Accepted so that nobody reads them.
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true });
    await once(server.listen(0, "127.0.0.1"), "listening");
    const open = async () => {
      const accepted = once(server, "connection") as Promise<Socket[]>;
      const { port } = server.address() as AddressInfo;
      const peer = dial({ port, host: "127.0.0.1", allowHalfOpen: true }).pause();
      return [(await accepted)[0] as Socket, peer] as const;
    };
    const [one, client] = await open();
    const [other, backend] = await open();
    server.close();
    const [a, b] = [fdOfSocket(one), fdOfSocket(other)];
    const socket = openFds().get(a);
    const content = data(2 * MiB);
    const reporting = proxy(a, { fd: b });
    const received = allFrom(backend);
    client.end(content);
    assertBytes(await received, content);
    backend.end("back");
    assert.is((await allFrom(client)).toString(), "back");
    assertEnded(await reporting, content.length, 4);
    assert.is(openFds().get(a), socket, "the number is the caller's still");
    for (const each of [one, other, client, backend]) each.destroy();
  },
);

test(
  "proxy() that adopts its connections keeps one descriptor of each",
  { needs: ["engine", "proc"], alone: true },
  async () => {
    await exchange("TCP", { adopt: true });
    using pair = await joined();
    const census = await takeFdCensus();
    const reporting = proxy(pair.a, pair.b, { adopt: true });
    const content = data(3 * MiB);
    pair.client.write("x");
    assert.is((await readExactly(pair.backend, 1)).toString(), "x");
    assert.ok(pair.a.destroyed && pair.b.destroyed);
    await census.assertUnchanged();
    const received = digestFrom(pair.backend);
    pair.client.end(content);
    assert.equal(await received, { bytes: content.length, sha256: sha256(content) });
    pair.backend.end();
    assertEnded(await reporting, content.length + 1, 0);
  },
);

test("a hang-up after both directions have ended is no error", {}, async () => {
  for (let i = 0; i < 10; i++) {
    using pair = await joined();
    const reporting = proxy(pair.a, pair.b);
    pair.client.end("x");
    assert.is((await allFrom(pair.backend)).toString(), "x");
    pair.backend.end("y");
    assert.is((await readExactly(pair.client, 1)).toString(), "y");
    pair.client.destroy();
    pair.backend.destroy();
    assertEnded(await reporting, 1, 1);
  }
});

test("proxy() of many pairs keeps its threads few and gives each its turn", { timeoutMs: 40_000 }, async () => {
  const { readdirSync, readFileSync } = await import("node:fs");
  await using host = await listen();
  const links: Connection[] = [];
  for (let i = 0; i < 100; i++) links.push(await host.connect());
  const pairs = links.filter((_, i) => i % 2 === 0).map((left, i) => [left, links[2 * i + 1] ?? left] as const);
  const reports = pairs.map(([left, right]) => proxy(left.socket, right.socket));
  const [bulk, ...others] = pairs;
  if (bulk === undefined) throw new Error("There are pairs");
  const flood = data(16 * MiB);
  bulk[0].peer.end(flood);
  const flooded = digestFrom(bulk[1].peer);
  await Promise.all(
    others.map(async ([left, right], i) => {
      const message = data(1000, i);
      for (let round = 0; round < 10; round++) {
        left.peer.write(message);
        assertBytes(await readExactly(right.peer, message.length), message);
      }
      left.peer.end();
      right.peer.end();
    }),
  );
  bulk[1].peer.end();
  assert.is((await flooded).bytes, flood.length);
  const threads = readdirSync("/proc/self/task").map((id) => readFileSync(`/proc/self/task/${id}/comm`, "utf8").trim());
  assert.ok(threads.filter((name) => name === "sluice-relay").length <= 4);
  for (const { end } of await Promise.all(reports)) assert.is(end, "ended");
  for (const link of links) link[Symbol.dispose]();
});

test("proxy() refuses what it can't do, and touches nothing then", {}, async () => {
  using pair = await joined();
  const { a, b } = pair;
  const cases: [string, () => Promise<unknown>][] = [
    ["ERR_INVALID_ARG_TYPE", () => proxy("path" as never, b)],
    ["ERR_INVALID_ARG_TYPE", () => proxy(a, {} as never)],
    ["ERR_OUT_OF_RANGE", () => proxy(a, 0.5)],
    ["ERR_INVALID_ARG_VALUE", () => proxy(a, a)],
    ["ERR_INVALID_ARG_TYPE", () => proxy(a, b, { idleTimeoutMs: "1" as never })],
    ["ERR_OUT_OF_RANGE", () => proxy(a, b, { timeoutMs: -1 })],
    ["ERR_OUT_OF_RANGE", () => proxy(a, b, { maxBytes: -1 })],
    ["ERR_INVALID_ARG_VALUE", () => proxy(a, b, { strategy: "sendfile" as never })],
    ["ERR_INVALID_ARG_TYPE", () => proxy(a, b, { head: "x" as never })],
    ["ERR_INVALID_ARG_TYPE", () => proxy(a, b, { signal: {} as never })],
    ["ERR_INVALID_ARG_TYPE", () => proxy(a, b, { adopt: 1 as never })],
    ["ERR_INVALID_ARG_VALUE", () => proxy(a, b, { strategy: "portable", fallback: false })],
  ];
  for (const [code, call] of cases) assert.is((await rejection(call)).code, code);
  const reporting = proxy(a, b);
  pair.client.end("still here");
  assert.is((await allFrom(pair.backend)).toString(), "still here");
  pair.backend.end();
  assertEnded(await reporting, 10, 0);
});

/** Numbers from 0 to `below`, always the same. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
}

test(
  "proxy() settles whatever is done to its pairs, and leaves nothing open",
  { alone: true, timeoutMs: 40_000 },
  async () => {
    // Two relays have two epoll sets.
    await Promise.all([1, 2, 3, 4].map(() => exchange("TCP", {})));
    const census = await takeFdCensusWithoutPipes();
    const random = randomFrom(20_261_126);
    const endings = new Map<string, number>();
    for (let round = 0; round < 4; round++) {
      const each = Array.from({ length: 12 }, async (_, i) => {
        using pair = await joined((["TCP", "Unix"] as const)[i % 2]);
        const controller = new AbortController();
        const reporting = proxy(pair.a, pair.b, {
          signal: controller.signal,
          strategy: i % 4 === 3 ? "portable" : "auto",
          adopt: i % 3 === 0,
          timeoutMs: 5000,
          ...(i % 5 === 0 && { maxBytes: 200_000 }),
        }).then(
          ({ end, aToB, bToA }) => {
            if (end === "ended") assert.ok(aToB.ended && bToA.ended);
            if (i % 5 === 0) assert.ok(aToB.bytes <= 200_000 && bToA.bytes <= 200_000);
            return end;
          },
          ({ code }: { code: string }) => code,
        );
        for (const peer of [pair.client, pair.backend]) peer.resume();
        const actions = [
          () => pair.client.write(data(random(300_000), i)),
          () => pair.backend.write(data(random(300_000), i)),
          () => pair.client.write("small"),
          () => pair.client.pause(),
          () => pair.client.resume(),
          () => pair.client.end(),
          () => pair.backend.end(),
          () => (i % 2 === 0 ? pair.client.resetAndDestroy() : pair.client.destroy()),
          () => pair.backend.destroy(),
          () => pair.b.destroy(),
          () => controller.abort(),
        ];
        for (let step = 0; step < 12; step++) {
          // What ends a pair comes late enough for something to be under way.
          const action = actions[random(step < 6 ? 5 : actions.length)];
          if (!pair.client.destroyed && !pair.backend.destroyed) action?.();
          await new Promise((resolve) => setTimeout(resolve, random(4)));
        }
        pair.client.resume().end();
        pair.backend.end();
        const end = await reporting;
        endings.set(end, (endings.get(end) ?? 0) + 1);
        assert.ok(pair.a.destroyed && pair.b.destroyed);
      });
      await Promise.all(each);
    }
    const known = ["ended", "limit", "ABORT_ERR", "ERR_SLUICE_CLOSED", ...broken];
    for (const end of endings.keys()) assert.ok(known.includes(end), JSON.stringify([...endings]));
    await census.assertUnchanged();
  },
);
