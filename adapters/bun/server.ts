/**
 * Serves by Bun's node:http over sockets of its node:net. Bun.serve, and the http.Server that is made of it, close a connection
 * whose client has ended its side, and keep one on which a file came out shorter than its Content-Length; of bodies of other
 * lengths they change the head. A server that is given connections, as Node's may be, answers as Node's does.
 */
import { channel } from "node:diagnostics_channel";
import { createServer } from "node:net";
import type { ToNodeHandler } from "../../lib/fetch/node-handler.ts";
import { type Acceptor, serveByNode } from "../../lib/fetch/node-server.ts";
import type { ServeOptions, Server } from "../../lib/fetch/options.ts";
import { BunStillness } from "./stillness.ts";

/** What Node's http.Server tells of by itself. */
const requestStart = channel("http.server.request.start");

const acceptor: Acceptor = (server) => {
  server.prependListener("request", (request, response) => {
    if (requestStart.hasSubscribers) requestStart.publish({ request, response, socket: request.socket, server });
  });
  const listener = createServer({ allowHalfOpen: true, noDelay: true });
  return listener.on("connection", (socket) => server.emit("connection", socket));
};

/** See ../node/fetch.ts. */
export const serveByBun =
  (toNodeHandler: ToNodeHandler) =>
  (options: ServeOptions): Promise<Server> =>
    serveByNode(toNodeHandler, options, { acceptor, createStillness: (times) => new BunStillness(times) });
