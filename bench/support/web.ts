/** Files over HTTP: who serves them (nginx, and Node with and without Sluice's native path), and what loads a server. */
import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream } from "node:stream/web";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Role } from "../report/schema.ts";
import { assemble } from "./contest.ts";
import { scratchFolder } from "./files.ts";
import { startTreeMeter } from "./meter.ts";
import type { Sample } from "./metrics.ts";
import { helper, needProgram, start } from "./programs.ts";
import { commandLine, freePort, type HttpServer, startNode, startSilent } from "./servers.ts";

/** `options` are for Node. */
type Start = (files: string, options: readonly string[]) => Promise<HttpServer>;

/** A contender under test, and the same app without what is tested. */
export interface Pair {
  readonly name: string;
  readonly base: string;
}

export const nginx = "nginx";

export const pairs: readonly Pair[] = [
  { name: "Express + register", base: "Express" },
  { name: "Fastify + register", base: "Fastify" },
  { name: "sluice serve", base: "sluice serve, no engine" },
];

const app = fileURLToPath(new URL("../subjects/file-server.js", import.meta.url));
const preload = ["--import", "sluice/register"];

const framework =
  (name: string, own: readonly string[] = []): Start =>
  (files, options) =>
    startNode({ script: app, args: [name, files], nodeOptions: [...options, ...own] });

/** Without a log, as all others here; it doesn't say its port then. */
function serve(env: NodeJS.ProcessEnv = {}): Start {
  return async (files, options) => {
    const port = await freePort();
    const args = ["serve", files, "--quiet", "--port", String(port)];
    return startNode({ script: commandLine, args, nodeOptions: options, env, port });
  };
}

/** What nginx is to do: directives of its one server, and of what is beside that. */
interface NginxTask {
  readonly server: string;
  readonly beside?: string;
}

/** Debian's defaults (sendfile, tcp_nopush, the open files not cached), one worker, and no log. */
function nginxConfiguration(folder: string, { server, beside = "" }: NginxTask, port: number): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  return `
    ${process.getuid?.() === 0 ? "user root;" : ""}
    daemon off;
    worker_processes 1;
    pid ${folder}/pid;
    error_log stderr error;
    events { worker_connections 4096; }
    http {
      access_log off;
      sendfile on;
      tcp_nopush on;
      keepalive_timeout 75s;
      keepalive_requests 1000000000;
      types { }
      default_type application/octet-stream;
      ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join("\n      ")}
      ${beside}
      server { listen 127.0.0.1:${port}; ${server} }
    }`;
}

/**
 * @param parent where it keeps what it is sent
 * @throws Unavailable when it is not installed
 */
export async function startNginx(task: NginxTask, parent = tmpdir()): Promise<HttpServer> {
  const program = needProgram("nginx");
  const folder = join(await scratchFolder(parent, 0), "nginx");
  await mkdir(folder);
  const port = await freePort();
  const file = join(folder, "nginx.conf");
  await writeFile(file, nginxConfiguration(folder, task, port));
  return startSilent([program, "-p", folder, "-c", file, "-e", "stderr"], port);
}

const servers: readonly { readonly name: string; readonly role: Role; readonly start: Start }[] = [
  { name: nginx, role: "rival", start: (files) => startNginx({ server: `root ${files};` }) },
  { name: "Express", role: "rival", start: framework("express") },
  { name: "Express + register", role: "sluice", start: framework("express", preload) },
  { name: "Fastify", role: "rival", start: framework("fastify") },
  { name: "sirv", role: "rival", start: framework("sirv") },
  { name: "Fastify + register", role: "sluice", start: framework("fastify", preload) },
  { name: "sluice serve", role: "sluice", start: serve() },
  { name: "sluice serve, no engine", role: "sluice", start: serve({ SLUICE_DISABLE_NATIVE: "1" }) },
];

export type WebServers = Awaited<ReturnType<typeof startAll>>;

/** Those of some names, or all. */
export function startAll(files: string, names?: readonly string[], options: readonly string[] = []) {
  const chosen = servers.filter(({ name }) => names?.includes(name) ?? true);
  return assemble(chosen.map((one) => ({ ...one, setUp: () => one.start(files, options) })));
}

export async function stopAll({ present }: WebServers): Promise<void> {
  await Promise.all(present.map(({ made }) => made.stop()));
}

export interface File {
  readonly path: string;
  readonly bytes: number;
}

/** Long enough for a server to close its files and count its bytes after a client has gone. */
const settleMs = 25;

/** What some requests cost the server and all that belongs to it. Bytes are of the bodies alone. */
async function metered(
  { pid }: HttpServer,
  bytes: number,
  work: () => Promise<Pick<Sample, "requests" | "wallNs">>,
): Promise<Sample> {
  const stop = startTreeMeter([pid]);
  const { requests, wallNs } = await work();
  await sleep(settleMs);
  return { requests, wallNs, bytes: requests * bytes, cpuNs: stop().cpuNs };
}

/** The file `times` over, one after the other on one connection, to a client that discards it in the kernel. */
export async function download(server: HttpServer, { path, bytes }: File, times: number): Promise<Sample> {
  const reader = await helper("http_reader");
  const paths = Array.from({ length: times }, () => path);
  return metered(server, bytes, async () => {
    const output = await start(reader, [String(server.port), ...paths]).output;
    return { requests: times, wallNs: Number(output) };
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
  const wrk = needProgram("wrk");
  const args = ["-t1", `-c${wrkConnections}`, `-d${seconds}s`, `http://127.0.0.1:${server.port}${path}`];
  return metered(server, bytes, async () => {
    const output = await start(wrk, args).output;
    const [, requests, rate] = /(\d+) requests in [^]*Requests\/sec: +([\d.]+)/.exec(output) ?? [];
    if (requests === undefined || rate === undefined || /Non-2xx|Socket errors/.test(output))
      throw new Error(`wrk of ${path} said: ${output}`);
    return { requests: Number(requests), wallNs: (Number(requests) / Number(rate)) * 1e9 };
  });
}

/** sha256 of what a server sends. */
export async function sha256Of(server: HttpServer, path: string): Promise<string> {
  const { body } = await fetch(`http://127.0.0.1:${server.port}${path}`);
  const hash = createHash("sha256");
  if (body !== null) await pipeline(Readable.fromWeb(body as ReadableStream<Uint8Array>), hash);
  return hash.digest("hex");
}

export interface SlowClients {
  readonly clients: number;
  readonly bytesPerSecond: number;
  /** What each asks for first, to be connected, and then slowly. */
  readonly small: File;
  readonly large: File;
}

/** Slow clients, each of which has been served the small file once. */
export async function slowClients(port: number, { clients, bytesPerSecond, small, large }: SlowClients) {
  const order = [port, clients, bytesPerSecond, small.path, large.path].map(String);
  const load = start(await helper("slow_clients"), order);
  await load.firstLine;
  return {
    /** All begin to download the large one. */
    begin: () => void load.process.stdin?.write("g"),
    /** All break off; resolves to what the worst-served got of what it asked for, in the time it had. */
    async end(): Promise<number> {
      load.process.stdin?.end();
      const [elapsed = 0, , least = 0] = ((await load.output).split("\n")[1] ?? "").split(" ").map(Number);
      return least / (elapsed * bytesPerSecond);
    },
  };
}
