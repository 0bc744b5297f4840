/** Proxies that fail before they are a pair: from the call on, a reset on the one side is one on the other, and the error says whose it was. */
import { once } from "node:events";
import { type AddressInfo, connect as dial, createServer, type Socket } from "node:net";
import { proxy, type ProxyOptions, type TransferError, transfer } from "sluice";
import { assert, test } from "../support/contract.ts";
import { takeFdCensus } from "../support/fds.ts";
import { waitFor } from "../support/wait.ts";
import { type Connection, connect, listen } from "./support/connection.ts";
import { aWhile, failure } from "./support/outcome.ts";
import { ending } from "./support/pair.ts";

/** A port that nobody listens on. */
async function closedPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A socket whose host's name is being looked up for ever. */
function connecting(): Socket {
  const socket = dial({ port: 1, host: "never.invalid", allowHalfOpen: true, lookup: () => undefined });
  socket.on("error", () => undefined);
  return socket;
}

/** A connection, and what its peer sees of its end. */
async function watched(paused = false): Promise<Connection & { readonly seen: Promise<string> }> {
  const link = await connect();
  link.socket.on("error", () => undefined);
  if (paused) link.socket.pause();
  return Object.assign(link, { seen: ending(link.peer) });
}

const resets = ["ECONNRESET", "EPIPE"];

interface Case {
  /** Makes the end that is not usable, or will not be. */
  other(): Promise<Socket> | Socket;
  options?: ProxyOptions;
  /** What happens when the call has been made. */
  act?(link: Connection, other: Socket, abort: () => void): void | Promise<void>;
  /** Which end is to have failed: the connection's, or the other one's. */
  readonly failed: "one" | "other" | undefined;
  readonly codes: readonly string[];
}

const cases: Readonly<Record<string, Case>> = {
  "an end is refused": {
    other: async () => dial(await closedPort(), "127.0.0.1"),
    failed: "other",
    codes: ["ECONNREFUSED"],
  },
  "an end was reset before": {
    other: async () => {
      const { socket, peer } = await connect();
      socket.on("error", () => undefined).resume();
      peer.resetAndDestroy();
      await waitFor("the socket to be closed", () => socket.destroyed);
      return socket;
    },
    failed: "other",
    codes: resets,
  },
  "an end was destroyed before": {
    other: async () => {
      const { socket, peer } = await connect();
      peer.destroy();
      return socket.destroy();
    },
    failed: "other",
    codes: ["ERR_SLUICE_CLOSED"],
  },
  "an end was ended before": {
    other: async () => {
      const { socket, peer } = await connect();
      void ending(peer).then(() => peer.destroy());
      return socket.end();
    },
    failed: "other",
    codes: ["ERR_STREAM_WRITE_AFTER_END"],
  },
  "an end is destroyed by its owner while it connects": {
    other: connecting,
    act: (_, other) => void other.destroy(),
    failed: "other",
    codes: ["ERR_SLUICE_CLOSED"],
  },
  "a peer resets while the other end connects": {
    other: connecting,
    act: async ({ peer }) => {
      await aWhile();
      peer.resetAndDestroy();
    },
    failed: "one",
    codes: resets,
  },
  "a peer sends and resets while the other end connects": {
    other: connecting,
    act: async ({ peer }) => {
      peer.write("x".repeat(1000));
      await aWhile();
      peer.resetAndDestroy();
    },
    failed: "one",
    codes: resets,
  },
  "it is aborted while an end connects": {
    other: connecting,
    act: (_link, _other, abort) => abort(),
    failed: undefined,
    codes: ["ABORT_ERR"],
  },
};

for (const [name, { other, act, failed, codes }] of Object.entries(cases))
  for (const side of ["a", "b"] as const)
    for (const paused of [false, true])
      test(
        `proxy() resets ${side === "a" ? "b" : "a"}${paused ? ", which is paused," : ""} and tells of it when ${name}`,
        {},
        async () => {
          using link = await watched(paused);
          const bad = await other();
          const controller = new AbortController();
          const [a, b] = side === "a" ? [bad, link.socket] : [link.socket, bad];
          const failing = failure(() => proxy(a, b, { signal: controller.signal, timeoutMs: 10_000 }));
          await act?.(link, bad, () => controller.abort());
          const error: TransferError = await failing;
          assert.ok(codes.includes(error.code), error.stack);
          assert.is(error.proxy?.failed, failed && (failed === "other" ? side : side === "a" ? "b" : "a"), error.stack);
          for (const flow of [error.proxy?.aToB, error.proxy?.bToA])
            assert.equal([flow?.bytes, flow?.ended], [0, false], error.stack);
          assert.is(error.bytesTransferred, 0);
          assert.ok(bad.destroyed && link.socket.destroyed, "both are closed");
          if (failed !== "one") assert.ok(resets.includes(await link.seen), await link.seen);
        },
      );

test("proxy() that is timed out while an end connects resets the other one", {}, async () => {
  using link = await watched();
  const { end, aToB } = await proxy(link.socket, connecting(), { timeoutMs: 50 });
  assert.is(end, "timeout");
  assert.is(aToB.bytes, 0);
  assert.ok(resets.includes(await link.seen), await link.seen);
});

test("clients that reset at once are no clean end to an upstream", { alone: true, timeoutMs: 40_000 }, async () => {
  const seen: string[] = [];
  const upstream = createServer({ allowHalfOpen: true }, (socket) => {
    void ending(socket).then((end) => seen.push(end));
  }).listen(0, "127.0.0.1");
  await once(upstream, "listening");
  const { port } = upstream.address() as AddressInfo;
  let settled = 0;
  await using host = await listen();
  host.server.on("connection", (client: Socket) => {
    client.on("error", () => undefined);
    const b = dial({ port, host: "127.0.0.1", allowHalfOpen: true });
    b.on("error", () => undefined);
    void failure(() => proxy(client, b)).then(() => (settled += 1));
  });
  const { port: front } = host.server.address() as AddressInfo;
  for (let i = 0; i < 100; i++) {
    const client = dial(front, "127.0.0.1", () => client.resetAndDestroy());
    client.on("error", () => undefined);
    await once(client, "close");
  }
  await waitFor("all to settle", () => settled === 100);
  await aWhile();
  upstream.close();
  assert.equal(
    seen.filter((end) => end === "end"),
    [],
  );
});

/** Whoever waits hears that it is in vain, and lets go of what it had. */
const waits: Readonly<Record<string, (link: Connection, right: Connection) => Promise<unknown>>> = {
  "for its turn behind writes that nobody reads, and the target's peer resets": async (link, right) => {
    right.socket.write(Buffer.alloc(8 << 20));
    const failing = failure(() => transfer(link.socket, right.socket));
    await aWhile();
    right.peer.resetAndDestroy();
    return await failing;
  },
  "for its turn behind writes that nobody reads, and the source's peer resets": async (link, right) => {
    right.socket.write(Buffer.alloc(8 << 20));
    const failing = failure(() => transfer(link.socket, right.socket));
    await aWhile();
    link.peer.resetAndDestroy();
    return await failing;
  },
  "for its target to connect, and the source's peer resets": async (link) => {
    const target = connecting();
    const failing = failure(() => transfer(link.socket, target));
    await aWhile();
    link.peer.resetAndDestroy();
    const error = await failing;
    target.destroy();
    return error;
  },
  "for its source to connect, and the target's peer resets": async (_, right) => {
    const source = connecting();
    right.socket.resume();
    const failing = failure(() => transfer(source, right.socket));
    await aWhile();
    right.peer.resetAndDestroy();
    const error = await failing;
    source.destroy();
    return error;
  },
};

for (const [name, act] of Object.entries(waits))
  test(`transfer() that waits ${name} settles and leaks nothing`, { alone: true, needs: ["proc"] }, async () => {
    const round = async () => {
      using link = await watched(true);
      using right = await connect();
      right.socket.on("error", () => undefined);
      const error = (await act(link, right)) as TransferError;
      assert.ok([...resets, "ERR_SLUICE_CLOSED"].includes(error.code), error.stack);
      assert.is(error.bytesTransferred, 0);
    };
    await round();
    const census = await takeFdCensus();
    for (let i = 0; i < 3; i++) await round();
    await census.assertUnchanged();
  });
