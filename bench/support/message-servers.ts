/** Who takes uploads and who passes bodies on, each in a process of its own: nginx, HAProxy, and Node with and without the preload. */
import { fileURLToPath } from "node:url";
import { type Contender, type Point, type Role } from "./contest.ts";
import { scratchFolder } from "./files.ts";
import { peakBytes, startTreeMeter } from "./meter.ts";
import type { Sample } from "./metrics.ts";
import { helper, start } from "./programs.ts";
import { startHaproxy } from "./proxies.ts";
import { type HttpServer, startNode } from "./servers.ts";
import { setTimeout as sleep } from "node:timers/promises";
import { startNginx } from "./web.ts";

export const stock = "Node";
export const preloaded = "Node + register";
export const nginx = "nginx";
export const haproxy = "HAProxy";
export const haproxyAuto = "HAProxy, splice-auto";
export const haproxySplicing = "HAProxy, always splicing";

/** In memory: a disk's noise is greater than any difference. */
const place = "/dev/shm";

const ways = ["upload", "proxy", "api"] as const;
export type Way = (typeof ways)[number];

interface MessageServer {
  readonly name: string;
  readonly role: Role;
  readonly way: Way;
  /** @throws Unavailable when it is not installed */
  readonly start: (origin: number) => Promise<HttpServer>;
}

const app =
  (way: Way, nodeOptions: readonly string[] = []) =>
  async (origin: number) =>
    startNode({
      script: fileURLToPath(new URL("../subjects/message-bodies.js", import.meta.url)),
      args: [way, way === "upload" ? await scratchFolder(place, 2 ** 31) : String(origin)],
      nodeOptions,
    });

const nodes = ways.flatMap((way): MessageServer[] => [
  { name: stock, role: "rival", way, start: app(way) },
  { name: preloaded, role: "sluice", way, start: app(way, ["--import", "sluice/register"]) },
]);

const upstreamOf = (origin: number) =>
  `upstream origin { server 127.0.0.1:${origin}; keepalive 64; keepalive_requests 1000000000; }`;
const passing = `proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; client_max_body_size 0;`;

const haproxyWith =
  (...options: readonly string[]) =>
  (origin: number) =>
    startHaproxy(origin, options, { mode: "http" });

export const messageServers: readonly MessageServer[] = [
  ...nodes,
  {
    name: nginx,
    role: "rival",
    way: "upload",
    // The file goes when the origin, which is told nothing of it, has answered.
    start: (origin) =>
      startNginx(
        {
          beside: upstreamOf(origin),
          server: `location / { ${passing} client_body_in_file_only clean; proxy_pass_request_body off; proxy_set_header Content-Length 0; }`,
        },
        place,
      ),
  },
  {
    name: nginx,
    role: "rival",
    way: "proxy",
    start: (origin) =>
      startNginx({
        beside: upstreamOf(origin),
        server: `location / { ${passing} proxy_buffering off; proxy_request_buffering off; }`,
      }),
  },
  { name: haproxy, role: "rival", way: "proxy", start: haproxyWith() },
  { name: haproxyAuto, role: "rival", way: "proxy", start: haproxyWith("splice-auto") },
  { name: haproxySplicing, role: "rival", way: "proxy", start: haproxyWith("splice-request", "splice-response") },
];

/** What clients ask for: so often on each connection, one request after the other. */
export interface Exchange {
  readonly method: "GET" | "PUT";
  readonly bytes: number;
  readonly connections: number;
  readonly requests: number;
}

async function ask(port: number, { method, bytes, connections, requests }: Exchange): Promise<number> {
  const order = ["ask", port, method, bytes, connections, requests].map(String);
  return Number(await start(await helper("body_peers"), order).output);
}

/** Long enough for a process that has just begun to try what it relies on, and for one to close its files. */
const settleMs = 400;

/** A fresh process each time: those of one kind differ among themselves by more than kinds do. */
async function run(server: HttpServer, exchange: Exchange, warmUp: Exchange | undefined): Promise<Sample> {
  try {
    await sleep(settleMs);
    if (warmUp !== undefined) await ask(server.port, warmUp);
    await sleep(settleMs);
    const stop = startTreeMeter([server.pid]);
    const wallNs = await ask(server.port, exchange);
    await sleep(settleMs / 8);
    const requests = exchange.connections * exchange.requests;
    const { cpuNs } = stop();
    return { requests, bytes: requests * exchange.bytes, wallNs, cpuNs, rssBytes: peakBytes(server.pid) };
  } finally {
    await server.stop();
  }
}

export function contenderOf(
  { name, role, start: begin }: MessageServer,
  origin: number,
  exchangeAt: (point: Point) => Exchange,
  warmUp: Exchange | undefined,
): Contender {
  return { name, role, run: async (point) => run(await begin(origin), exchangeAt(point), warmUp) };
}
