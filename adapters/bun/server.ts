/**
 * Serves by Bun's node:http over sockets of its node:net. Bun.serve, and the http.Server that is made of it, close a connection
 * whose client has ended its side, and keep one on which a file came out shorter than its Content-Length; of bodies of other
 * lengths they change the head. A server that is given connections, as Node's may be, answers as Node's does.
 */
import { createServer } from "node:net";
import type { ToNodeHandler } from "../../lib/fetch/node-handler.ts";
import { type Acceptor, serveByNode } from "../../lib/fetch/node-server.ts";
import type { ServeOptions, Server } from "../../lib/fetch/options.ts";
import { BunStillness } from "./stillness.ts";

const acceptor: Acceptor = (server) => {
  const listener = createServer({ allowHalfOpen: true, noDelay: true });
  return listener.on("connection", (socket) => server.emit("connection", socket));
};

/** See ../node/fetch.ts. */
export const serveByBun =
  (toNodeHandler: ToNodeHandler) =>
  (options: ServeOptions): Promise<Server> =>
    serveByNode(toNodeHandler, options, { acceptor, createStillness: (times) => new BunStillness(times) });
