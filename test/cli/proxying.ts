/** Runs `sluice proxy` between clients and upstreams of the test's own. */
import { once } from "node:events";
import { readdirSync, readlinkSync } from "node:fs";
import { connect, createServer, type Server, type Socket, type TcpNetConnectOpts } from "node:net";
import { type Address, formatAddress, parseAddress } from "#cli/address.js";
import type { Candidate } from "../support/runtimes.ts";
import { settles } from "../support/wait.ts";
import { type Service, startService } from "./services.ts";

export interface Proxying extends Service {
  readonly address: Address;
}

/** What a test starts beside the proxy. */
const servers: (() => void)[] = [];

/** Closes the upstreams of a test, and the connections to them. */
export function closeUpstreams(): void {
  for (const close of servers.splice(0)) close();
}

/** Starts `proxy LISTEN UPSTREAMS OPTIONS…` and waits until it listens. */
export async function startProxy(
  runtime: Candidate,
  listen: string,
  upstreams: readonly Address[],
  options: readonly string[] = [],
  before: readonly string[] = [],
): Promise<Proxying> {
  const args = ["proxy", listen, upstreams.map(formatAddress).join(","), ...options];
  const { service, said } = await startService(runtime, args, /^Proxying (\S+) to /m, before);
  const address = parseAddress(said[1] ?? "");
  if (address === undefined) throw new Error(`It listens nowhere: ${service.stderr()}`);
  return { ...service, address };
}

export interface Upstream {
  readonly address: Address;
  readonly server: Server;
  /** Connections so far. */
  count(): number;
}

/** An upstream in this process. Half-closed connections stay open. */
export async function startUpstream(
  onConnection: (socket: Socket) => void,
  where: object = { host: "127.0.0.1", port: 0 },
): Promise<Upstream> {
  const open = new Set<Socket>();
  let count = 0;
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    count++;
    open.add(socket);
    socket.on("error", () => undefined).on("close", () => open.delete(socket));
    onConnection(socket);
  });
  server.listen(where);
  await once(server, "listening");
  servers.push(() => {
    server.close();
    for (const socket of open) socket.destroy();
  });
  const bound = server.address();
  if (bound === null) throw new Error("It does not listen");
  const address = typeof bound === "string" ? { path: bound } : { host: bound.address, port: bound.port };
  return { address, server, count: () => count };
}

/** Says who it is, reads to the end, and sends it back. */
export const echo =
  (name: string) =>
  (socket: Socket): void => {
    socket.write(name);
    const chunks: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => chunks.push(chunk)).on("end", () => socket.end(Buffer.concat(chunks)));
  };

/** An address at which nobody listens. */
export async function deadAddress(): Promise<Address> {
  const { server, address } = await startUpstream(() => undefined);
  server.close();
  await once(server, "close");
  return address;
}

/** A connected client. */
export async function clientOf(
  { address }: Pick<Proxying, "address">,
  options?: Partial<TcpNetConnectOpts>,
): Promise<Socket> {
  const socket = connect({ ...address, allowHalfOpen: true, ...options });
  await once(socket, "connect");
  // What breaks it shows in what it got.
  socket.on("error", () => undefined);
  return socket;
}

/** Everything that comes until the connection is over, however it ends. */
export function received(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  return new Promise((resolve) => {
    const done = () => resolve(Buffer.concat(chunks));
    socket.once("end", done).once("close", done);
  });
}

/** Sends bytes, ends, and reads to the end. */
export async function exchange(proxying: Pick<Proxying, "address">, bytes: Uint8Array | string): Promise<Buffer> {
  const socket = await clientOf(proxying);
  const answer = received(socket);
  socket.end(bytes);
  const all = await answer;
  socket.destroy();
  return all;
}

/** Open descriptors of a proxy without pipes, of which the engine keeps some for the next pair. */
export function countWithoutPipes({ pid }: Pick<Proxying, "pid">): number {
  const folder = `/proc/${pid}/fd`;
  const opened = (fd: string) => {
    try {
      return readlinkSync(`${folder}/${fd}`);
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
      throw error;
    }
  };
  return readdirSync(folder)
    .map(opened)
    .filter((what) => what !== undefined && !what.startsWith("pipe:")).length;
}

/** They come back to what they were. */
export async function descriptorsReturn(proxying: Proxying, before: number): Promise<string | undefined> {
  const back = await settles(() => countWithoutPipes(proxying) <= before);
  return back ? undefined : `${countWithoutPipes(proxying)} descriptors are open, ${before} were`;
}

/** The lines of the access log as fields. */
export function logOf({ stdout }: Proxying): readonly Readonly<Record<string, unknown>>[] {
  return stdout()
    .split("\n")
    .filter((line) => line.startsWith("{") && line.endsWith("}"))
    .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
}

export function portOf(address: Address): number {
  if ("path" in address) throw new Error(`${address.path} has no port`);
  return address.port;
}
