/** Runs `sluice serve` in a process of its own, on any of the runtimes, and talks to it as a client would. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { collect } from "../support/data.ts";
import { root } from "../support/root.ts";
import { type Candidate, candidates, locate } from "../support/runtimes.ts";
import { waitFor } from "../support/wait.ts";

const main = join(root, "dist/lib/cli/main.js");

export const runtimes: readonly Candidate[] = candidates.usual;

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<ServeEnd>;
  stdout(): string;
  stderr(): string;
}

export interface Serving extends Running {
  readonly pid: number;
  readonly port: number;
  readonly url: string;
  /** Of `--metrics-port`; empty without. */
  readonly metricsUrl: string;
}

export interface ServeEnd {
  readonly code: number | undefined;
  readonly signal: string | undefined;
}

const running = new Map<ChildProcess, Promise<unknown>>();

/** Ends whatever is left of a test's servers; workers end with theirs. */
export async function endServers(): Promise<void> {
  for (const child of running.keys()) child.kill("SIGKILL");
  await Promise.all(running.values());
}

function runServe(command: readonly [string, ...string[]], args: readonly string[]): Running {
  const [program, ...options] = [...command, main, "serve", ...args];
  const child = spawn(program, options, { stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const ended = new Promise<ServeEnd>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      running.delete(child);
      resolve({ code: code ?? undefined, signal: signal ?? undefined });
    });
  });
  running.set(child, ended);
  return { child, ended, stdout: () => stdout, stderr: () => stderr };
}

/** Starts `serve FOLDER --port 0 OPTIONS…` and waits until it listens. */
export async function startServe(runtime: Candidate, folder: string, ...options: string[]): Promise<Serving> {
  const { command } = await locate(runtime);
  const serve = runServe(command, [folder, "--port", "0", ...options]);
  const place = /^Serving .* on (http:\/\/[^ ]*?:(\d+)\/)/m;
  const metrics = options.includes("--metrics-port") ? /^Metrics on (.*)\n/m : /^/;
  const { child, stderr } = serve;
  const begun = () => child.exitCode !== null || (place.test(stderr()) && metrics.test(stderr()));
  await waitFor("the server to listen", begun, 30_000);
  const [, url, port] = place.exec(stderr()) ?? [];
  if (url === undefined || child.pid === undefined) throw new Error(`It did not begin: ${stderr()}`);
  return { ...serve, pid: child.pid, port: Number(port), url, metricsUrl: metrics.exec(stderr())?.[1] ?? "" };
}

/** Runs `serve` where it is expected to fail. */
export async function failToServe(runtime: Candidate, ...args: string[]): Promise<ServeEnd & { stderr: string }> {
  const { command } = await locate(runtime);
  const { ended, stderr } = runServe(command, args);
  return { ...(await ended), stderr: stderr() };
}

/** A connection to it, of which nothing is read yet. */
export async function connectTo({ port }: Serving): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  return socket;
}

/** Sends bytes as they are and reads until the server closes. */
export async function exchange(serving: Serving, request: string): Promise<string> {
  const socket = await connectTo(serving);
  socket.write(request, "latin1");
  return (await collect(socket)).toString("latin1");
}

/** One GET with exactly these headers beside Host, for fetch() adds its own: the answer, head and all. */
export function get(serving: Serving, path: string, headers: Readonly<Record<string, string>> = {}): Promise<string> {
  const lines = Object.entries({ host: "localhost", connection: "close", ...headers });
  return exchange(
    serving,
    `GET ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`,
  );
}

/** The status of the first answer in some bytes. */
export function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1]);
}

/** Open descriptors of a process. */
export function countDescriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Processes that a process has started and that have not ended. */
export function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
}

/** The value of one series, as Prometheus reads it; undefined where there is none. */
export async function readMetric({ metricsUrl }: Serving, series: string): Promise<number | undefined> {
  const text = await (await fetch(metricsUrl)).text();
  const line = text.split("\n").find((each) => each.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}
