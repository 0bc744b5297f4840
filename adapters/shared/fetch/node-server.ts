/** Serves by node:http. */
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { ToNodeHandler } from "./node-handler.ts";
import type { CloseOptions, ServeOptions, Server } from "./options.ts";

const unspecified: ReadonlySet<string> = new Set(["0.0.0.0", "::"]);

/** A URL by which this machine reaches an address. */
export function urlOf(hostname: string, port: number): string {
  if (unspecified.has(hostname)) return `http://localhost:${port}/`;
  return `http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}/`;
}

/** How long running answers may go on when a server is closed. Milliseconds. */
export const closeTimeoutMs = 10_000;

/** How long a connection may stand still in the midst of a request or an answer. Milliseconds. */
const defaultIdleTimeoutMs = 120_000;

/** Connections by how many answers are running on them. */
class Connections {
  readonly #running = new Map<Socket, number>();
  readonly #answers = new Set<ServerResponse>();
  #isClosing = false;

  add(socket: Socket): void {
    this.#running.set(socket, 0);
    socket.once("close", () => this.#running.delete(socket));
  }

  begin(response: ServerResponse, socket: Socket): void {
    this.#running.set(socket, (this.#running.get(socket) ?? 0) + 1);
    this.#answers.add(response);
    if (this.#isClosing) response.shouldKeepAlive = false;
    response.once("close", () => {
      this.#answers.delete(response);
      const running = this.#running.get(socket);
      if (running === undefined) return;
      this.#running.set(socket, running - 1);
      if (this.#isClosing && running === 1) socket.destroySoon();
    });
  }

  /** Closes the idle ones now and the others after their answers, which say so where they still can. */
  close(): void {
    this.#isClosing = true;
    for (const response of this.#answers) response.shouldKeepAlive = false;
    for (const [socket, running] of this.#running) if (running === 0) socket.destroy();
  }

  destroy(): void {
    for (const socket of this.#running.keys()) socket.destroy();
  }
}

/** See {@link Server}. Rejects with what listening fails with. */
export async function serveByNode(
  toNodeHandler: ToNodeHandler,
  { fetch, port = 0, host, reusePort = false, idleTimeoutMs = defaultIdleTimeoutMs, ...options }: ServeOptions,
): Promise<Server> {
  const handler = toNodeHandler(fetch, options);
  const connections = new Connections();
  const server = createServer((request, response) => {
    connections.begin(response, request.socket);
    handler(request, response);
  });
  server.timeout = idleTimeoutMs;
  server.on("connection", (socket: Socket) => connections.add(socket));
  // The types of Node 20 don't know reusePort.
  const listening = { port, reusePort, ...(host !== undefined && { host }) };
  await once(server.listen(listening), "listening");
  const address = server.address() as AddressInfo;

  const shutDown = async ({ timeoutMs = closeTimeoutMs }: CloseOptions = {}) => {
    const closed = once(server, "close");
    server.close();
    connections.close();
    const timer = setTimeout(() => connections.destroy(), timeoutMs);
    await closed;
    clearTimeout(timer);
  };
  let closing: Promise<void> | undefined;
  const close = (how?: CloseOptions) => (closing ??= shutDown(how));
  return {
    port: address.port,
    hostname: address.address,
    url: urlOf(address.address, address.port),
    close,
    [Symbol.asyncDispose]: () => close(),
  };
}
