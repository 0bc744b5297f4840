/**
 * Requests of all sizes to a proxy and an upload server with the preload: in pieces, with pauses, pipelined, broken off. Each body
 * has bytes of its own, and both of its ends look at every one. `SLUICE_TEST_SEED` repeats a run, `SLUICE_TEST_REQUESTS` says how many.
 */
import { readFileSync, rmSync } from "node:fs";
import * as http from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { dice } from "../contract/support/fleet-plan.ts";
import { data, KiB, MiB } from "../contract/support/files.ts";
import { tempFolder } from "../support/temp.ts";
import { patienceMs } from "../support/wait.ts";
import { App } from "./support/app.ts";
import { hasEngine, preload } from "./support/compare.ts";
import { RawClient } from "./support/raw.ts";
import { bar, head, readChunks, send } from "./support/scene.ts";

const everything = process.env["SLUICE_TEST_ALL"] !== undefined;
const requests = Number(process.env["SLUICE_TEST_REQUESTS"] ?? (everything ? 5_000 : 300));
const seed = Number(process.env["SLUICE_TEST_SEED"] ?? Math.floor(Math.random() * 1e9));
const clients = 8;

/** Bytes of which no two places, four apart, are the same for any two exchanges. */
const noise = data(8 * MiB + 65_537, 77);

function contentOf(id: number, length: number): Buffer {
  const start = Math.imul(id, 7919) & 0xffff;
  const bytes = Buffer.from(noise.subarray(start, start + length));
  for (let at = 0; at + 4 <= length; at += 4 * KiB) bytes.writeUInt32BE(id, at);
  return bytes;
}

const lengths: readonly ((below: (n: number) => number) => number)[] = [
  () => 0,
  (below) => below(100),
  (below) => below(64 * KiB),
  (below) => below(512 * KiB),
  (below) => bar - 5 + below(10),
  (below) => bar + below(bar),
  (below) => bar + below(2 * bar),
];

type Kind = "upload" | "put" | "get" | "both" | "chunked";
const kinds: readonly Kind[] = ["upload", "put", "get", "both", "chunked"];

interface Plan {
  readonly id: number;
  readonly kind: Kind;
  readonly way: string;
  /** Of the request's body and of the answer's. */
  readonly there: number;
  readonly back: number;
  /** Whether who sends the larger body goes in the midst of it. */
  readonly breaks: "client" | "behind" | undefined;
}

function planOf(id: number): Plan {
  const below = dice(seed, id);
  const kind = kinds[below(kinds.length)] ?? "get";
  const length = () => lengths[below(lengths.length)]?.(below) ?? 0;
  const there = kind === "get" || kind === "chunked" ? 0 : length();
  const back = kind === "upload" || kind === "put" ? 0 : length();
  const who = below(16);
  const breaks = who === 0 ? "client" : who === 1 && back > 0 ? "behind" : undefined;
  const way = kind === "chunked" ? "chunked" : below(2) === 0 ? "pipe" : "pipeline";
  return { id, kind, way, there, back, breaks };
}

const wrong: string[] = [];

function compare(what: string, { id }: Plan, got: Buffer, expected: Buffer): void {
  if (got.equals(expected)) return;
  let at = 0;
  while (at < got.length && got[at] === expected[at]) at++;
  wrong.push(`${what} of ${id}: ${got.length} bytes came of ${expected.length}, the first other one at ${at}`);
}

/** Sends in pieces, with pauses between some, and only `most` of them. */
async function pour(
  to: { write(bytes: Buffer): boolean; destroyed: boolean },
  bytes: Buffer,
  below: (n: number) => number,
  most = bytes.length,
) {
  const pieces = below(3) === 0 ? 1 + below(8) : 1;
  for (let at = 0; at < most && !to.destroyed;) {
    const next = Math.min(most, at + Math.ceil(bytes.length / pieces) + below(3000));
    to.write(bytes.subarray(at, next));
    at = next;
    if (pieces > 1 && below(2) === 0) await sleep(below(15));
  }
}

/** The server behind: it looks at what comes, and answers by the plan. */
const behind = http.createServer((request, response) => {
  const plan = planOf(Number(request.headers["x-exchange"]));
  const below = dice(seed + 1, plan.id);
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("error", () => undefined);
  response.on("error", () => undefined);
  request.on("end", () => {
    compare("the request", plan, Buffer.concat(chunks), contentOf(plan.id * 2, plan.there));
    response.writeHead(200, { "content-length": plan.back, "x-exchange": plan.id });
    const bytes = contentOf(plan.id * 2 + 1, plan.back);
    const most = plan.breaks === "behind" ? below(plan.back) : plan.back;
    void pour(response, bytes, below, most).then(() => {
      if (plan.breaks === "behind") (request.socket as Socket)[below(2) === 0 ? "destroy" : "resetAndDestroy"]();
      else response.end();
    });
  });
});

// One that closes for being idle, or with a body that is whole, may do so as the next request comes: that is 502.
behind.keepAliveTimeout = 2 * patienceMs;

const folder = tempFolder();

/** What a client came to in an exchange: it goes on with its connection, or takes another. */
async function receive(client: RawClient, plan: Plan): Promise<boolean> {
  const got = await client.head().catch(() => undefined);
  if (got === undefined) {
    if (plan.breaks === undefined) wrong.push(`${plan.id} got no answer: ${client.error}`);
    return false;
  }
  const mayBreak = plan.breaks !== undefined;
  if (plan.kind === "upload") {
    if (got.status !== 201) wrong.push(`${plan.id} was answered ${got.status}`);
    const text = await readChunks(client).catch(() => undefined);
    if (text === undefined && mayBreak) return false;
    assert.is(String(text), "stored");
    const path = join(folder, `upload-${plan.id}`);
    compare("the upload", plan, readFileSync(path), contentOf(plan.id * 2, plan.there));
    rmSync(path);
    return true;
  }
  if (got.status !== 200) {
    if (plan.breaks !== "behind") wrong.push(`${plan.id} was answered ${got.status}`);
    return false;
  }
  if (plan.kind !== "chunked" && got.headers["x-exchange"] !== String(plan.id))
    wrong.push(`${plan.id} got the answer of ${got.headers["x-exchange"]}`);
  const coming = plan.kind === "chunked" ? readChunks(client) : client.read(plan.back);
  const body = await coming.catch(() => undefined);
  if (body !== undefined) compare("the answer", plan, body, contentOf(plan.id * 2 + 1, plan.back));
  else if (!mayBreak) wrong.push(`${plan.id} was broken off: ${client.error}`);
  return body !== undefined && plan.breaks !== "behind";
}

const method = ({ kind }: Plan) => (kind === "get" || kind === "chunked" ? "GET" : "PUT");

function pathOf({ id, kind, way }: Plan, port: number): string {
  const query = `?case=${id}&port=${port}`;
  return kind === "upload" ? `/upload/${way}/upload-${id}${query}` : `/proxy/lasting-${way}${query}`;
}

/** One client: exchanges one after the other, now and then several sent at once. */
async function visit(app: App, port: number, ids: readonly number[]): Promise<void> {
  let client = await RawClient.connect(app);
  for (let at = 0; at < ids.length;) {
    const below = dice(seed + 2, ids[at] ?? 0);
    const plans = ids.slice(at, at + (below(3) === 0 ? 1 + below(4) : 1)).map(planOf);
    at += plans.length;
    const sending = (async () => {
      for (const plan of plans) {
        const length = method(plan) === "GET" ? undefined : plan.there;
        send(client, head(method(plan), pathOf(plan, port), length, `X-Exchange: ${plan.id}`));
        const bytes = contentOf(plan.id * 2, plan.there);
        if (plan.breaks !== "client") await pour(client.socket, bytes, below);
        else {
          await pour(client.socket, bytes, below, below(plan.there + 1));
          await sleep(below(20));
          client.socket[below(2) === 0 ? "destroy" : "resetAndDestroy"]();
          return;
        }
      }
    })();
    let goesOn = true;
    // A client that goes takes with it what it had asked for before.
    const leaves = plans.some(({ breaks }) => breaks === "client");
    for (const plan of plans) {
      if (plan.breaks === "client") goesOn = false;
      else if (goesOn) goesOn = await receive(client, leaves ? { ...plan, breaks: plan.breaks ?? "client" } : plan);
    }
    await sending;
    if (goesOn) continue;
    client.socket.destroy();
    client = await RawClient.connect(app);
  }
  client.socket.destroy();
}

const test = suite("many bodies at once");

test(`${requests} requests: never a byte past a body, never one of another`, async () => {
  await new Promise<void>((resolve) => behind.listen(0, "127.0.0.1", resolve));
  const { port } = behind.address() as AddressInfo;
  // Of pipelining it warns in any case: each request that waits listens to the same connection.
  const app = await App.start({ script: "bodies", args: [folder], execArgv: ["--no-warnings", ...preload] });
  const ids = Array.from({ length: requests }, (_, id) => id);
  const shares = Array.from({ length: clients }, (_, nth) => ids.filter((id) => id % clients === nth));
  const limit = setInterval(() => process.stdout.write("."), patienceMs / 2);
  await Promise.all(shares.map((share) => visit(app, port, share)));
  clearInterval(limit);
  behind.close();
  behind.closeAllConnections();
  const published = await app.published();
  // What is wrong is told before how the app ended, which may come of it.
  const natives = published.filter(({ native }) => native).length;
  console.log(`${natives} bodies of ${requests} requests went past JavaScript`);
  if (wrong.length > 0) throw new Error(`SLUICE_TEST_SEED=${seed}:\n${wrong.slice(0, 20).join("\n")}`);
  await app[Symbol.asyncDispose]();
  if (hasEngine) assert.ok(natives > requests / 10, `SLUICE_TEST_SEED=${seed}: only ${natives} went past JavaScript`);
});

test.run();
