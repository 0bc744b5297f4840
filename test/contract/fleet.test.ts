/**
 * Fleets of connections through proxy(): of random sizes, ended and reset at any moment, with peers in another process that
 * check every byte and how it ended. `SLUICE_TEST_SEED` repeats a run.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import process from "node:process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { proxy, type ProxyOptions, type ProxyReport, type TransferError } from "sluice";
import { test } from "../support/contract.ts";
import { nodeProgram } from "../support/self.ts";
import { type Batch, dice, idOf, planOf, type Record } from "./support/fleet-plan.ts";

const everything = process.env["SLUICE_TEST_ALL"] !== undefined;
const connections = Number(process.env["SLUICE_TEST_CONNECTIONS"] ?? (everything ? 20_000 : 400));
const batchSize = 400;

/** One pair, as the proxy saw it. */
interface Joint {
  readonly client: number | undefined;
  /** The port that the upstream sees. */
  port: number | undefined;
  readonly how: string;
  report?: ProxyReport;
  error?: TransferError;
}

const options: Readonly<globalThis.Record<string, ProxyOptions>> = {
  plain: {},
  adopted: { adopt: true },
  spliced: { strategy: "splice", fallback: false },
  buffered: { strategy: "buffered", fallback: false },
  portable: { strategy: "portable" },
};

/** Proxies every connection, by one of the options, before its upstream has answered or after. */
async function front(seed: number, upstream: number, pauseOnConnect: boolean) {
  const joints: Joint[] = [];
  const running: Promise<void>[] = [];
  const server = createServer({ allowHalfOpen: true, pauseOnConnect }, (a) => {
    const client = idOf(a.remoteAddress);
    const below = dice(seed + 31, client ?? 0);
    const kinds = Object.keys(options);
    const kind = kinds[below(kinds.length)] ?? "plain";
    const waits = below(2) === 0;
    const joint: Joint = { client, port: undefined, how: `${kind}${waits ? ", connected" : ""}` };
    joints.push(joint);
    const b = connect({ port: upstream, host: "127.0.0.1", allowHalfOpen: true });
    for (const socket of [a, b]) socket.on("error", () => undefined);
    b.once("connect", () => (joint.port = b.localPort));
    running.push(joined(a, b, joint, { ...options[kind] }, waits));
  });
  await new Promise<void>((resolve) => server.listen({ port: 0, host: "127.0.0.1", backlog: 1024 }, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () => server.close(),
    /** What has come since the last time. */
    async take(): Promise<Joint[]> {
      await Promise.all(running.splice(0));
      return joints.splice(0);
    },
  };
}

async function joined(a: Socket, b: Socket, joint: Joint, how: ProxyOptions, waits: boolean): Promise<void> {
  if (waits)
    await new Promise<void>((resolve) => {
      b.once("connect", () => resolve()).once("close", () => resolve());
    });
  try {
    joint.report = await proxy(a, b, { ...how, timeoutMs: 30_000 });
  } catch (error) {
    joint.error = error as TransferError;
  }
}

/** What is wrong with how one side fared, of which the other side is known. */
function* wrongIn(name: string, self: Record, other: Record): Generator<string> {
  if (self.wrong !== undefined) yield `${name} got wrong bytes ${self.wrong}`;
  if (self.from !== undefined && self.from !== other.id) yield `${name} got bytes of ${self.from}, not of ${other.id}`;
  const { total, resetAfterMs } = planOf(seed, name === "client" ? "upstream" : "client", other.id);
  if (self.end === "hung") yield `${name} hung after ${self.got} bytes`;
  if (self.end === "end" && resetAfterMs !== undefined && other.didReset)
    yield `${name} got a clean end after ${self.got} bytes, of a peer that was reset`;
  if (self.end === "end" && self.got !== total) yield `${name} got a clean end after ${self.got} bytes of ${total}`;
  if (self.end === "reset" && !other.didReset && !self.didReset) yield `${name} was reset, and nobody had`;
}

/** What is wrong with what the proxy said. */
function* wrongInReport({ report, error }: Joint, client: Record, upstream: Record): Generator<string> {
  const resets = [client.didReset && "a", upstream.didReset && "b"].filter(Boolean);
  if (report !== undefined) {
    if (report.end !== "ended") yield `it ended by ${report.end}`;
    if (report.aToB.bytes !== planOf(seed, "client", client.id).total)
      yield `it told of ${report.aToB.bytes} bytes to b`;
    if (report.bToA.bytes !== planOf(seed, "upstream", upstream.id).total)
      yield `it told of ${report.bToA.bytes} bytes to a`;
    return;
  }
  if (error?.proxy === undefined) yield `the error says nothing of the pair: ${error}`;
  else {
    if (resets.length === 0) yield `it failed (${error.code}), and nobody had reset`;
    if (resets.length === 1 && error.proxy.failed !== resets[0])
      yield `${error.proxy.failed} is said to have failed (${error.code}), and ${resets[0]} had`;
    // What a stream had handed to a peer that was reset then, nobody knows.
    if (!upstream.didReset && upstream.got > error.proxy.aToB.bytes)
      yield `${error.proxy.aToB.bytes} bytes to b are told of, and ${upstream.got} came`;
    if (!client.didReset && client.got > error.proxy.bToA.bytes)
      yield `${error.proxy.bToA.bytes} bytes to a are told of, and ${client.got} came`;
  }
}

/** Those with that port, in their order: a port may come again. */
function byPort<T extends { readonly port: number | undefined }>(all: readonly T[]): Map<number, T[]> {
  const found = new Map<number, T[]>();
  for (const each of all) {
    if (each.port === undefined) continue;
    found.set(each.port, [...(found.get(each.port) ?? []), each]);
  }
  return found;
}

/**
 * The upstreams of pairs, by their ports. One may come again within a batch: first those take theirs that have had bytes of each
 * other, then the others whose clients are known.
 */
function pairedUp(joints: readonly Joint[], clients: ReadonlyMap<number, Record>, upstreams: Map<number, Record[]>) {
  const found = new Map<Joint, Record>();
  const rounds: readonly ((joint: Joint, upstream: Record) => boolean)[] = [
    ({ client = -1 }, { id, from }) => from === client || clients.get(client)?.from === id,
    ({ client }, { from }) => client !== undefined && from === undefined,
    () => true,
  ];
  for (const fits of rounds)
    for (const joint of joints) {
      const those = upstreams.get(joint.port ?? -1) ?? [];
      const index = found.has(joint) ? -1 : those.findIndex((upstream) => fits(joint, upstream));
      const [upstream] = index < 0 ? [] : those.splice(index, 1);
      if (upstream !== undefined) found.set(joint, upstream);
    }
  return found;
}

function judge(joints: readonly Joint[], batch: Batch): string[] {
  const wrong: string[] = [];
  /** Clients that have not broken off and whose upstreams, then, have. */
  let lonely = 0;
  const clients = new Map(batch.clients.map((client) => [client.id, client]));
  const upstreams = byPort(batch.upstreams);
  const upstreamOf = pairedUp(joints, clients, upstreams);
  for (const joint of joints) {
    const client = joint.client === undefined ? undefined : clients.get(joint.client);
    const upstream = upstreamOf.get(joint);
    const tell = (what: string) => wrong.push(`connection ${joint.client} (${joint.how}): ${what}`);
    if (client !== undefined && upstream !== undefined) {
      for (const what of wrongIn("client", client, upstream)) tell(what);
      for (const what of wrongIn("upstream", upstream, client)) tell(what);
      for (const what of wrongInReport(joint, client, upstream)) tell(what);
    } else {
      // Only a peer that was gone at once is not known, or is not found.
      if (joint.report !== undefined) tell(`it ended by ${joint.report.end} without two peers`);
      if (upstream?.end === "end")
        tell(`upstream got a clean end after ${upstream.got} bytes, of a client that was gone`);
      if (client?.end === "end")
        tell(`client got a clean end after ${client.got} bytes, of an upstream that is not known`);
      if (client !== undefined && !client.didReset) lonely += 1;
    }
    if (joint.client !== undefined) clients.delete(joint.client);
  }
  for (const { id, didReset } of clients.values()) if (!didReset) wrong.push(`connection ${id} was not proxied`);
  const left = [...upstreams.values()].flat();
  for (const { id, didReset, end } of left)
    if (!didReset && end !== "reset") wrong.push(`upstream ${id} belongs to no connection, and ended by ${end}`);
  const gone = left.filter(({ didReset }) => didReset).length;
  if (lonely > gone) wrong.push(`${lonely} clients had no upstream, and ${gone} upstreams had reset`);
  return wrong;
}

type Peers = ChildProcessByStdio<Writable, Readable, null>;

/** Its lines of output, one for each time it is asked. */
function linesOf(peers: Peers): () => Promise<string> {
  const lines = createInterface({ input: peers.stdout })[Symbol.asyncIterator]();
  return async () => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error("The peers have ended");
    return value as string;
  };
}

const seed = Number(process.env["SLUICE_TEST_SEED"] ?? Math.floor(Math.random() * 1e9));

test(
  `proxy() loses no byte and no reset of a fleet of connections (${everything ? "long" : "short"})`,
  { alone: true, timeoutMs: everything ? 900_000 : 60_000 },
  async () => {
    const program = fileURLToPath(new URL("support/fleet-peers.js", import.meta.url));
    const peers = spawn(nodeProgram(), [program, String(seed)], { stdio: ["pipe", "pipe", "inherit"] });
    try {
      const line = linesOf(peers);
      const upstream = Number(await line());
      const fronts = [await front(seed, upstream, false), await front(seed, upstream, true)];
      const sums = { connections: 0, ended: 0, failed: 0 };
      const wrong: string[] = [];
      for (let from = 0; from < connections && wrong.length < 20; from += batchSize) {
        const count = Math.min(batchSize, connections - from);
        const at = fronts[(from / batchSize) % fronts.length];
        if (at === undefined) throw new Error("There are two");
        peers.stdin.write(`${at.port} ${from} ${count}\n`);
        const batch = JSON.parse(await line()) as Batch;
        const joints = await at.take();
        wrong.push(...judge(joints, batch));
        sums.connections += batch.clients.length;
        for (const { report } of joints) sums[report === undefined ? "failed" : "ended"] += 1;
      }
      for (const each of fronts) each.close();
      console.log(`${sums.connections} connections: ${sums.ended} ended, ${sums.failed} failed, ${wrong.length} wrong`);
      if (wrong.length > 0) throw new Error(`SLUICE_TEST_SEED=${seed}:\n${wrong.slice(0, 20).join("\n")}`);
      if (sums.ended === 0 || sums.failed === 0) throw new Error(`SLUICE_TEST_SEED=${seed}: ${JSON.stringify(sums)}`);
    } finally {
      peers.kill();
    }
  },
);
