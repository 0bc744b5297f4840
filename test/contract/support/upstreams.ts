/** Upstreams of proxyPass(): real servers, and sockets that answer exactly what they are told to. */
import { once } from "node:events";
import * as http from "node:http";
import * as net from "node:net";
import { type FetchHandler, proxyPass, type ProxyPassOptions, serve, type Server } from "sluice/fetch";
import { settles } from "../../support/wait.ts";

export interface Upstream extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Connections that were taken, ever and by now. */
  accepted(): number;
  open(): number;
}

async function listening(server: net.Server, where: net.ListenOptions): Promise<Upstream> {
  const sockets = new Set<net.Socket>();
  let accepted = 0;
  server.on("connection", (socket: net.Socket) => {
    accepted++;
    sockets.add(socket);
    socket.on("error", () => undefined).once("close", () => sockets.delete(socket));
  });
  server.listen(where);
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    accepted: () => accepted,
    open: () => sockets.size,
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await settles(() => sockets.size === 0);
    },
  };
}

const anywhere = { port: 0, host: "127.0.0.1" } as const;

/** A server of node:http. */
export function httpUpstream(listener: http.RequestListener, where: net.ListenOptions = anywhere): Promise<Upstream> {
  return listening(http.createServer({ keepAliveTimeout: 60_000 }, listener), where);
}

/** Says what it is told to once a head is there; `act` has the socket, and the head. */
export function rawUpstream(act: (socket: net.Socket, head: string) => void): Promise<Upstream> {
  const server = net.createServer((socket) => {
    let text = "";
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      const end = text.indexOf("\r\n\r\n");
      if (end < 0) return;
      const head = text.slice(0, end + 4);
      text = text.slice(end + 4);
      act(socket, head);
    });
  });
  return listening(server, anywhere);
}

/** What a server tells of a request: all of it, as it came. */
export interface Echo {
  readonly method: string;
  readonly url: string;
  readonly fields: readonly (readonly [string, string])[];
  readonly body: string;
}

export const echo: http.RequestListener = (request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const fields: [string, string][] = [];
    for (let i = 0; i + 1 < request.rawHeaders.length; i += 2)
      fields.push([request.rawHeaders[i]?.toLowerCase() ?? "", request.rawHeaders[i + 1] ?? ""]);
    const told: Echo = {
      method: request.method ?? "",
      url: request.url ?? "",
      fields,
      body: Buffer.concat(chunks).toString("latin1"),
    };
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(told));
  });
};

export const echoed = (body: Buffer): Echo => JSON.parse(body.toString("utf8")) as Echo;

export const fieldsNamed = ({ fields }: Echo, name: string): string[] =>
  fields.filter(([each]) => each === name).map(([, value]) => value);

export interface Front extends AsyncDisposable {
  readonly server: Server;
  readonly port: number;
  /** What the server's onError, and that of proxyPass(), were told. */
  readonly errors: unknown[];
}

/** A server of ours before an upstream. */
export async function front(
  upstream: Pick<Upstream, "url"> | string,
  options: ProxyPassOptions = {},
  around: (pass: FetchHandler) => FetchHandler = (pass) => pass,
): Promise<Front> {
  const errors: unknown[] = [];
  const onError = (error: unknown) => void errors.push(error);
  const to = typeof upstream === "string" ? upstream : upstream.url;
  const server = await serve({
    host: "127.0.0.1",
    fetch: around((request) => proxyPass(request, to, { onError, ...options })),
    onError,
  });
  return { server, port: server.port, errors, [Symbol.asyncDispose]: () => server.close({ timeoutMs: 0 }) };
}
