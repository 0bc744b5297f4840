/** One server under load for a while: what came through, and what it cost the server. */
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream } from "node:stream/web";
import { setTimeout as sleep } from "node:timers/promises";
import { startTreeMeter } from "./meter.ts";
import { helper, start, Unavailable } from "./programs.ts";
import type { HttpServer } from "./servers.ts";

export interface Sample {
  readonly requestsPerSecond: number;
  /** Of the bodies alone. */
  readonly bytesPerSecond: number;
  /** User and system time of the server and all that belongs to it. */
  readonly cpuSecondsPerGB: number;
}

interface Outcome {
  readonly requests: number;
  readonly seconds: number;
}

/** Long enough for a server to close its files and count its bytes after a client has gone. */
const settleMs = 25;

async function metered(server: HttpServer, bytes: number, work: () => Promise<Outcome>): Promise<Sample> {
  const stop = startTreeMeter([server.pid]);
  const { requests, seconds } = await work();
  await sleep(settleMs);
  const { cpuNs } = stop();
  return {
    requestsPerSecond: requests / seconds,
    bytesPerSecond: (requests * bytes) / seconds,
    cpuSecondsPerGB: cpuNs / (requests * bytes),
  };
}

export interface File {
  readonly path: string;
  readonly bytes: number;
}

/** The file `times` over, one after the other on one connection, to a client that discards it in the kernel. */
export async function download(server: HttpServer, { path, bytes }: File, times: number): Promise<Sample> {
  const reader = await helper("http_reader");
  return metered(server, bytes, async () => {
    const output = await start(reader, [server.port, ...Array.from({ length: times }, () => path)].map(String)).output;
    return { requests: times, seconds: Number(output) / 1e9 };
  });
}

const wrkConnections = 16;

/**
 * As many requests as it answers in some whole seconds.
 *
 * @throws Unavailable when wrk is not installed
 * @throws Error when a request failed
 */
export function hammer(server: HttpServer, { path, bytes }: File, seconds: number): Promise<Sample> {
  const args = ["-t1", `-c${wrkConnections}`, `-d${seconds}s`, `http://127.0.0.1:${server.port}${path}`];
  return metered(server, bytes, async () => {
    const output = await start("wrk", args).output.catch((cause: NodeJS.ErrnoException) => {
      throw cause.code === "ENOENT" ? new Unavailable("wrk is not installed", { cause }) : cause;
    });
    const [, requests, rate] = /(\d+) requests in [^]*Requests\/sec: +([\d.]+)/.exec(output) ?? [];
    if (requests === undefined || rate === undefined || /Non-2xx|Socket errors/.test(output))
      throw new Error(`wrk of ${path} said: ${output}`);
    return { requests: Number(requests), seconds: Number(requests) / Number(rate) };
  });
}

/** sha256 of what a server sends. */
export async function sha256Of(server: HttpServer, path: string): Promise<string> {
  const { body } = await fetch(`http://127.0.0.1:${server.port}${path}`);
  const hash = createHash("sha256");
  if (body !== null) await pipeline(Readable.fromWeb(body as ReadableStream<Uint8Array>), hash);
  return hash.digest("hex");
}
