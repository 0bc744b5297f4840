/** An http.ServerResponse on a plain connection as what a stream is piped to. */
import type { ServerResponse } from "node:http";
import { Socket } from "node:net";
import type { Native } from "../../../core/abi/abi.ts";
import type { Endpoint } from "../../../core/plan/endpoint.ts";
import { onConnectionEnd } from "./connection-end.ts";
import type { Runtime } from "../../runtime.ts";
import { type MessageInternals, messageInternals, socketInternals } from "../internals.ts";
import { replacedAnswering } from "../originals.ts";
import { Framing } from "./framing.ts";
import type { Sink } from "./sink.ts";
import type { Counter } from "../socket-account.ts";
import { SocketSink } from "./socket-sink.ts";

type Check = readonly [objects: (response: ServerResponse & MessageInternals) => boolean, reason: string];

const checks: readonly Check[] = [
  [(response) => response.destroyed || response.finished, "the response has ended"],
  [(response) => replacedAnswering(response) !== undefined, "the response's write has been replaced"],
  [(response) => !response._hasBody, "this response has no body"],
  [(response) => response.strictContentLength, "strictContentLength counts in JavaScript"],
];

/** Whether the response is what its connection sends now, and not behind another one (pipelining). */
function isFirst(response: ServerResponse): boolean {
  return response.socket !== null && socketInternals(response.socket)._httpMessage === response;
}

export class ResponseSink implements Sink {
  readonly kind = "response";
  readonly framing: Framing;
  readonly #response: ServerResponse & MessageInternals;
  readonly #runtime: Runtime;
  #socket: SocketSink | undefined;

  constructor(response: ServerResponse, runtime: Runtime) {
    this.framing = new Framing(response);
    this.#response = messageInternals(response) as ServerResponse & MessageInternals;
    this.#runtime = runtime;
  }

  get #connection(): SocketSink {
    if (this.#socket === undefined) throw new TypeError("A response was used before it had a connection");
    return this.#socket;
  }

  get queue(): Socket {
    return this.#connection.queue;
  }

  objection(): string | undefined {
    const response = this.#response;
    this.framing.look();
    for (const [objects, reason] of checks) if (objects(response)) return reason;
    const { socket } = response;
    // A pipelined response gets its connection when the one before it is through.
    if (socket === null) return undefined;
    if (!(socket instanceof Socket)) return "the response's connection is not a socket of node:net";
    if (!isFirst(response)) return "the response is not the first of its connection";
    if (response.outputData.length > 0) return "the response still has output of its own";
    this.#socket ??= new SocketSink(socket, this.#runtime);
    return this.#socket.objection();
  }

  ready(cancelled: () => Promise<void>): Promise<boolean> | undefined {
    const response = this.#response;
    if (response.socket !== null) return undefined;
    return new Promise((resolve) => {
      const settle = (isThere: boolean) => {
        response.off("socket", onSocket);
        forget?.();
        // What was written to the response before is flushed after the event.
        process.nextTick(resolve, isThere);
      };
      const onSocket = (socket: Socket) => {
        this.framing.enter(socket);
        settle(true);
      };
      response.once("socket", onSocket);
      // Node 20, 22 and Deno tell an answer that waits for its turn nothing of its connection's end.
      const connection: unknown = response.req?.socket;
      const forget = connection instanceof Socket ? onConnectionEnd(connection, () => settle(false)) : undefined;
      void cancelled().then(() => settle(true));
    });
  }

  open(native: Native): Endpoint | string {
    return this.#connection.open(native);
  }

  get fd(): number | undefined {
    return this.#socket?.fd;
  }

  release(): void {
    this.#socket?.release();
  }

  close(): void {
    this.#socket?.close();
    this.framing.close();
  }

  onAborted(callback: () => void): (() => void) | undefined {
    return this.#socket?.onAborted(callback);
  }

  begin(counter: Counter): void {
    this.framing.lookBack();
    this.#connection.begin(counter);
  }

  sent(body: number, head: number): void {
    this.framing.sent(body, head);
    this.#socket?.sent(body, head);
  }
}
