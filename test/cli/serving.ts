/** Runs `sluice serve`, and talks to it as a client would. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { collect } from "../support/data.ts";
import type { Candidate } from "../support/runtimes.ts";
import { failToStart, type Service, startService } from "./services.ts";

export { childrenOf, countDescriptors, endServices as endServers, readMetric, runtimes } from "./services.ts";

export interface Serving extends Service {
  readonly port: number;
  readonly url: string;
}

/** Starts `serve FOLDER --port 0 OPTIONS…` and waits until it listens. */
export async function startServe(runtime: Candidate, folder: string, ...options: string[]): Promise<Serving> {
  const place = /^Serving .* on (http:\/\/[^ ]*?:(\d+)\/)/m;
  const { service, said } = await startService(runtime, ["serve", folder, "--port", "0", ...options], place);
  const [, url = "", port] = said;
  return { ...service, port: Number(port), url };
}

/** Runs `serve` where it is expected to fail. */
export const failToServe = (runtime: Candidate, ...args: string[]): ReturnType<typeof failToStart> =>
  failToStart(runtime, "serve", ...args);

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
