/** A server as a contender: bodies are fetched from it on one connection, and /proc tells what that cost it. */
import { setTimeout as sleep } from "node:timers/promises";
import type { HttpServer } from "../http/server.ts";
import type { Contender, Point, Role } from "./contest.ts";
import { helper, start } from "./helpers.ts";
import type { Counts, Sample } from "./metrics.ts";
import { pidsOf, readTree } from "./process-tree.ts";
import { counter } from "./syscalls.ts";

export interface Served {
  readonly name: string;
  readonly role: Role;
  readonly server: HttpServer;
  /** What to ask for by HTTP; otherwise bodies are asked for by their length alone. */
  readonly path?: (bytes: number) => string;
  /** Where it listens, if not on 127.0.0.1. */
  readonly address?: string;
  /** What the client is started through: into another network namespace, say. */
  readonly through?: readonly string[];
  readonly serves?: (point: Point) => boolean;
  /** Makes a point what it says: throws the file out of the page cache, say. */
  readonly prepare?: (point: Point) => Promise<void>;
  readonly requests: (point: Point) => number;
}

/** As many bodies as make a sample long enough to be measured, and no more than are needed for that. */
export function requestsFor(budgetBytes: number, most: number): (point: Point) => number {
  return ({ bytes, cache }) => (cache === "cold" ? 1 : Math.max(1, Math.min(most, Math.round(budgetBytes / bytes))));
}

/** Long enough for a server to close its files and count its bytes after the last byte has gone. */
const settleMs = 15;

async function fetchAll(
  { server, path, address = "127.0.0.1", through = [] }: Served,
  requests: number,
  bytes: number,
) {
  const order = [server.port, requests, bytes, path?.(bytes) ?? "-", address].map(String);
  const [command = "", ...args] = [...through, await helper("fetcher"), ...order];
  const [totalNs, medianNs] = (await start(command, args).output).split(" ").map(Number);
  if (totalNs === undefined || medianNs === undefined) throw new Error("fetcher printed no times");
  return { totalNs, medianNs };
}

async function run(one: Served, point: Point): Promise<Sample> {
  await one.prepare?.(point);
  const requests = one.requests(point);
  const before = readTree(one.server.pid);
  const { totalNs, medianNs } = await fetchAll(one, requests, point.bytes);
  await sleep(settleMs);
  const after = readTree(one.server.pid);
  return {
    bytes: requests * point.bytes,
    requests,
    wallNs: totalNs,
    cpuNs: after.cpuNs - before.cpuNs,
    mainThreadNs: after.mainThreadNs - before.mainThreadNs,
    voluntary: after.voluntary - before.voluntary,
    involuntary: after.involuntary - before.involuntary,
    rssBytes: after.rssBytes,
    latencyNs: medianNs,
  };
}

async function count(one: Served, point: Point): Promise<Counts> {
  await one.prepare?.(point);
  const requests = one.requests(point);
  const fetching = () => fetchAll(one, requests, point.bytes);
  const by = await counter();
  const syscalls =
    typeof by === "string" ? (await fetching(), undefined) : await by.count(pidsOf(one.server.pid), fetching);
  let delayP99Ms: number | undefined;
  if (one.server.probed) {
    await one.prepare?.(point);
    await one.server.ask("watch");
    await fetching();
    delayP99Ms = (await one.server.ask("delay")).p99Ms;
  }
  return { bytes: requests * point.bytes, requests, syscalls, delayP99Ms };
}

export function served(one: Served): Contender {
  return {
    name: one.name,
    role: one.role,
    ...(one.serves && { serves: one.serves }),
    run: (point) => run(one, point),
    count: (point) => count(one, point),
  };
}
