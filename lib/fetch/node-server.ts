/** Serves by node:http. */
import { once } from "node:events";
import { createServer, type Server as HttpServer } from "node:http";
import type { AddressInfo, Server as NetServer, Socket } from "node:net";
import { argumentError } from "../../core/error.ts";
import { checkKnown } from "../../core/options.ts";
import { milliseconds } from "../../core/proxy.ts";
import { Connections } from "./connections.ts";
import type { ToNodeHandler } from "./node-handler.ts";
import { closeOptions, type CloseOptions, type ServeOptions, serveOptions, type Server } from "./options.ts";

const unspecified: ReadonlySet<string> = new Set(["0.0.0.0", "::"]);

/** A URL by which this machine reaches an address. */
function urlOf(hostname: string, port: number): string {
  if (unspecified.has(hostname)) return `http://localhost:${port}/`;
  return `http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}/`;
}

/** How long running answers may go on when a server is closed. Milliseconds. */
const closeTimeoutMs = 10_000;

/** How long a connection may stand still in the midst of a request or an answer. Milliseconds. */
const defaultIdleTimeoutMs = 120_000;

/**
 * How long a connection is kept for a next request. Balancers keep theirs for 60 s (ELB, HAProxy, nginx as a client): who
 * closes first must be the one that sends, or a request meets a connection that is just being closed. Milliseconds.
 */
const defaultKeepAliveTimeoutMs = 75_000;

/** The longest time of a runtime's timers, less the second that Node adds to what it advertises. Milliseconds. */
const longestMs = 0x7fffffff - 1000;

/** Milliseconds; 0: for ever. */
export interface ServerTimes {
  readonly idleTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
}

/** What is asked of a server, checked. */
interface Asked extends ServerTimes {
  readonly host: string | undefined;
}

function check(options: ServeOptions): Asked {
  checkKnown(options, serveOptions);
  const { fetch, hostname, host = hostname } = options;
  if (typeof fetch !== "function") throw argumentError("ERR_INVALID_ARG_TYPE", "fetch must be a function");
  if (hostname !== undefined && host !== hostname)
    throw argumentError("ERR_INVALID_ARG_VALUE", "host and hostname are the same: give one of them");
  if (host !== undefined && typeof host !== "string")
    throw argumentError("ERR_INVALID_ARG_TYPE", "hostname must be an address or a name");
  return {
    host,
    idleTimeoutMs: milliseconds("idleTimeoutMs", options.idleTimeoutMs ?? defaultIdleTimeoutMs),
    keepAliveTimeoutMs: milliseconds("keepAliveTimeoutMs", options.keepAliveTimeoutMs ?? defaultKeepAliveTimeoutMs),
  };
}

/** What takes the connections of a server: the server itself, or one that hands them on. */
export type Acceptor = (server: HttpServer) => NetServer;

/** Ends connections that stand still. */
export interface Stillness {
  add(socket: Socket): void;
  /** An answer begins. */
  begin(socket: Socket): void;
  /** The last one that was running is over. */
  end(socket: Socket): void;
  stop(): void;
}

/** What a runtime's node:http leaves to others. */
export interface ServerTraits {
  readonly acceptor?: Acceptor;
  readonly createStillness?: (times: ServerTimes) => Stillness;
}

/** See {@link Server}. Rejects with what listening fails with. */
export async function serveByNode(
  toNodeHandler: ToNodeHandler,
  options: ServeOptions,
  { acceptor = (server) => server, createStillness }: ServerTraits = {},
): Promise<Server> {
  const { host, idleTimeoutMs, keepAliveTimeoutMs } = check(options);
  const { fetch, port = 0, reusePort = false, onError } = options;
  const handler = toNodeHandler(fetch, { onError });
  const stillness = createStillness?.({ idleTimeoutMs, keepAliveTimeoutMs });
  const connections = new Connections((socket) => stillness?.end(socket));
  const server = createServer((request, response) => {
    stillness?.begin(request.socket);
    connections.begin(response, request.socket);
    handler(request, response);
  });
  server.timeout = idleTimeoutMs;
  server.keepAliveTimeout = keepAliveTimeoutMs === 0 ? longestMs : Math.min(keepAliveTimeoutMs, longestMs);
  // Not in Node's documentation, and in its code since 0.5: a client that has sent all may end its side and wait.
  Object.assign(server, { httpAllowHalfOpen: true });
  const listener = acceptor(server);
  listener.on("connection", (socket: Socket) => {
    connections.add(socket);
    stillness?.add(socket);
  });
  // The types of Node 20 don't know reusePort.
  const listening = { port, reusePort, ...(host !== undefined && { host }) };
  try {
    await once(listener.listen(listening), "listening");
  } catch (error) {
    stillness?.stop();
    throw error;
  }
  const address = listener.address() as AddressInfo;

  const shutDown = async ({ timeoutMs = closeTimeoutMs }: CloseOptions = {}) => {
    const closed = once(listener, "close");
    listener.close();
    connections.close();
    const timer = setTimeout(() => connections.destroy(), timeoutMs);
    await closed;
    clearTimeout(timer);
    stillness?.stop();
  };
  let closing: Promise<void> | undefined;
  const close = async (how: CloseOptions = {}) => {
    checkKnown(how, closeOptions);
    return (closing ??= shutDown(how));
  };
  return {
    port: address.port,
    hostname: address.address,
    url: urlOf(address.address, address.port),
    close,
    [Symbol.asyncDispose]: () => close(),
  };
}
