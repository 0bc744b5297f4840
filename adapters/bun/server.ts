/**
 * Serves by Bun's node:http over sockets of its node:net. Bun.serve, and the http.Server that is made of it, close a connection
 * whose client has ended its side, and keep one on which a file came out shorter than its Content-Length; of bodies of other
 * lengths they change the head. A server that is given connections, as Node's may be, answers as Node's does.
 */
import { createReadStream } from "node:fs";
import { channel } from "node:diagnostics_channel";
import { createServer } from "node:net";
import { sendByStream } from "../../lib/fetch/send.ts";
import type { ServerTraits } from "../../lib/fetch/traits.ts";
import { sendByTransfer } from "./send-file.ts";
import { BunTimeouts } from "./timeouts.ts";

/** What Node's http.Server tells of by itself. */
const requestStart = channel("http.server.request.start");

export const server: ServerTraits = {
  accept(http) {
    http.prependListener("request", (request, response) => {
      if (requestStart.hasSubscribers)
        requestStart.publish({ request, response, socket: request.socket, server: http });
    });
    const listener = createServer({ allowHalfOpen: true, noDelay: true });
    return listener.on("connection", (socket) => http.emit("connection", socket));
  },
  watchTimeouts: (times) => new BunTimeouts(times),
  // Bun's own http.Server shows no descriptors; connections that it is given have some.
  sendFile: sendByTransfer(sendByStream(createReadStream)),
};
