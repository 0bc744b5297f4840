/** Observes the servers of node:http (Node and Deno), where the end of an answer can be seen. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { performance } from "node:perf_hooks";
import { messageInternals } from "../../lib/streams/internals.ts";
import { unobserved } from "../service/unobserved.ts";
import type { Access, Handler, Observation, Observer } from "./observer.ts";

/** A diagnostics channel of node:http itself: it is told of each request before the server's listeners are. */
const channel = "http.server.request.start";

/** What nginx calls a request whose client went before there was an answer. */
const clientClosedRequest = 499;

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly socket: Socket;
  readonly server: Server;
}

/** A connection with its answers that are not over. One that waits for its turn does not hear of the connection's end. */
class Connection {
  readonly #socket: Socket;
  readonly #open = new Set<() => void>();
  /** The count of bytes at the end of the last answer. */
  #written = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.once("close", () => {
      for (const end of this.#open) end();
    });
  }

  observe({ request, response }: Exchange, observer: Observer): void {
    const time = new Date();
    const startMs = performance.now();
    // It is gone once the connection is.
    const { remoteAddress } = this.#socket;
    observer.begin();
    const end = () => {
      if (!this.#open.delete(end)) return;
      const written = this.#countWritten();
      const { bytes, aborted } = countBody(response, written);
      const { referer, "user-agent": userAgent } = request.headers;
      const access = {
        time,
        address: remoteAddress,
        method: request.method ?? "",
        url: request.url ?? "",
        status: response.headersSent ? response.statusCode : clientClosedRequest,
        bytes,
        durationMs: performance.now() - startMs,
        aborted,
        referer,
        userAgent,
      };
      observer.end(access, response);
    };
    this.#open.add(end);
    response.once("finish", end).once("close", end);
  }

  /** Bytes since the last answer was over. A few of the next one's may be among them. */
  #countWritten(): number {
    const { bytesWritten } = this.#socket;
    const bytes = bytesWritten - this.#written;
    this.#written = bytesWritten;
    return bytes;
  }
}

/** What left of the body, and whether it should have been more. What was promised is what was sent, unless the connection broke. */
function countBody(response: ServerResponse, written: number): Pick<Access, "bytes" | "aborted"> {
  const { _header: head, _hasBody: hasBody } = messageInternals(response);
  const bytes = Math.max(0, written - Buffer.byteLength(head ?? ""));
  const length = response.getHeader("content-length");
  const promised = hasBody ? Number(length ?? Infinity) : 0;
  if (response.writableFinished) return { bytes: promised === Infinity ? bytes : promised, aborted: false };
  // A client that has all that it was promised may close before the answer has been ended.
  return { bytes: Math.min(bytes, promised), aborted: bytes < promised };
}

export function observeNodeHttp(handler: Handler, observer: Observer): Observation {
  const connections = new WeakMap<Socket, Connection>();
  const onStart = (message: unknown) => {
    const exchange = message as Exchange;
    const { socket, server } = exchange;
    if (unobserved.has(server)) return;
    const connection = connections.get(socket) ?? new Connection(socket);
    connections.set(socket, connection);
    connection.observe(exchange, observer);
  };
  subscribe(channel, onStart);
  return { handler, stop: () => unsubscribe(channel, onStart) };
}
