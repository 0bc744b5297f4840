/** Tells of the requests to the servers of this process, and of their ends. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { performance } from "node:perf_hooks";
import { unobserved } from "../service/metrics.ts";

/** A request that is over. */
export interface Access {
  readonly time: Date;
  /** Where it came from, where the runtime tells. */
  readonly address: string | undefined;
  readonly method: string;
  /** Path and query as they were sent, percent-encoded. */
  readonly url: string;
  readonly status: number;
  /** Bytes of the body that left; undefined where the runtime doesn't tell. */
  readonly bytes: number | undefined;
  readonly durationMs: number;
  /** Whether the client was gone before the end. */
  readonly aborted: boolean;
  readonly referer: string | undefined;
  readonly userAgent: string | undefined;
}

export interface RequestObserver {
  /** A request came in. */
  begin(): void;
  /** Its answer is over. `response` is what a transfer names as its target. */
  end(access: Access, response: object): void;
}

/** Tells all of them. */
export function joinObservers(observers: readonly RequestObserver[]): RequestObserver {
  return {
    begin: () => observers.forEach((observer) => observer.begin()),
    end: (access, response) => observers.forEach((observer) => observer.end(access, response)),
  };
}

/** A diagnostics channel of node:http, and of `serve()` on Bun: it is told of each request before the server's listeners are. */
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
class Exchanges {
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

  observe({ request, response }: Exchange, observer: RequestObserver): void {
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

/** Of http.ServerResponse, beyond what it documents: its head as it was sent, and whether a body belongs to it. */
interface ResponseInternals {
  readonly _header: string | null;
  readonly _hasBody: boolean;
}

/** What left of the body, and whether it should have been more. What was promised is what was sent, unless the connection broke. */
function countBody(response: ServerResponse, written: number): Pick<Access, "bytes" | "aborted"> {
  const { _header: head, _hasBody: hasBody } = response as ServerResponse & ResponseInternals;
  const bytes = Math.max(0, written - Buffer.byteLength(head ?? ""));
  const length = response.getHeader("content-length");
  const promised = hasBody ? Number(length ?? Infinity) : 0;
  if (response.writableFinished) return { bytes: promised === Infinity ? bytes : promised, aborted: false };
  // Bun shows no head, and its sockets don't count what the engine sends.
  if (response.headersSent && head?.startsWith("HTTP/") !== true) return { bytes: undefined, aborted: true };
  // A client that has all that it was promised may close before the answer has been ended.
  return { bytes: Math.min(bytes, promised), aborted: bytes < promised };
}

/** The answer stops it. */
export function observeRequests(observer: RequestObserver): () => void {
  const known = new WeakMap<Socket, Exchanges>();
  const onStart = (message: unknown) => {
    const exchange = message as Exchange;
    const { socket, server } = exchange;
    if (unobserved.has(server)) return;
    const exchanges = known.get(socket) ?? new Exchanges(socket);
    known.set(socket, exchanges);
    exchanges.observe(exchange, observer);
  };
  subscribe(channel, onStart);
  return () => void unsubscribe(channel, onStart);
}
