/** An http.ServerResponse on a plain connection as what a stream is piped to. */
import type { ServerResponse } from "node:http";
import { Socket } from "node:net";
import type { Native } from "../../core/abi/abi.ts";
import type { Endpoint } from "../../core/plan/endpoint.ts";
import { onConnectionEnd } from "./connection-end.ts";
import type { Runtime } from "../runtime.ts";
import { type MessageInternals, messageInternals, socketInternals } from "./internals.ts";
import { replacedAnswering } from "./originals.ts";
import { keepPromise, leftOf, promisedLength } from "./promised.ts";
import type { Sink } from "./sink.ts";
import type { Counter } from "./socket-account.ts";
import { SocketSink } from "./socket-sink.ts";

/**
 * Bytes of a chunk (RFC 9112 §7.1). What a chunk promises has to come, whatever happens to the stream meanwhile;
 * what it costs is one turn of the event loop and a wake-up.
 */
const chunkBytes = 1024 * 1024;

const crlf = "\r\n";

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
  readonly #response: ServerResponse & MessageInternals;
  readonly #runtime: Runtime;
  #socket: SocketSink | undefined;
  /** What Content-Length still leaves; undefined before the head is rendered. */
  #room: number | undefined;
  /** What the connection had written before the response's first byte; undefined where that came before us. */
  #before: number | undefined;
  /** Bytes that have come past the response without anything else in between. */
  #passed = 0;
  /** Whether the head had been sent when it was looked at last. */
  #isSent = false;
  /** Whether nothing of the response had been sent before this stream. */
  #isFresh = false;
  #inChunk = false;

  constructor(response: ServerResponse, runtime: Runtime) {
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
    this.#isSent = response._headerSent;
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

  readonly isConnection = true;
  readonly immediate = true;

  get corked(): boolean {
    return this.#response.writableCorked > 0 || this.#socket?.corked === true;
  }

  ready(cancelled: () => Promise<void>): Promise<boolean> | undefined {
    const response = this.#response;
    if (response.socket !== null) return undefined;
    return new Promise((resolve) => {
      const settle = (isThere: boolean) => {
        response.off("socket", onSocket);
        forget();
        // What was written to the response before is flushed after the event.
        process.nextTick(resolve, isThere);
      };
      const onSocket = (socket: Socket) => {
        this.#before = socket.bytesWritten;
        settle(true);
      };
      response.once("socket", onSocket);
      // Node 20, 22 and Deno tell an answer that waits for its turn nothing of its connection's end.
      const connection: unknown = response.req?.socket;
      const forget = connection instanceof Socket ? onConnectionEnd(connection, () => settle(false)) : () => {};
      void cancelled().then(() => settle(true));
    });
  }

  open(native: Native): Endpoint | string {
    return this.#connection.open(native);
  }

  /** Renders the head as the first write would. */
  commit(): string | undefined {
    const response = this.#response;
    // Its head waits behind this stream's turn.
    if (response._headerSent !== this.#isSent) return "the response was written to meanwhile";
    if (response._header === null) response._implicitHeader();
    if (!response._hasBody) return "this response has no body";
    if (this.#room !== undefined) return undefined;
    this.#isFresh = !this.#isSent;
    this.#room = this.#isFresh ? (promisedLength(response) ?? Infinity) : this.#left();
    return undefined;
  }

  /** After a write of the application's own, nobody may know how much of the promise is left. */
  #left(): number {
    if (this.#before !== undefined) keepPromise(this.#response, this.#before);
    return leftOf(this.#response);
  }

  get fd(): number | undefined {
    return this.#socket?.fd;
  }

  letGo(): void {
    this.#socket?.letGo();
  }

  close(): void {
    this.#socket?.close();
    // Most answers end like that: nothing is left to be looked after.
    if (this.#room === 0) return;
    this.#lookBack();
    keepPromise(this.#response, this.#before);
  }

  /** Finds out what came before the response, while nothing else can have come in between. */
  #lookBack(): void {
    const { socket } = this.#response;
    if (this.#isFresh && socket !== null) this.#before ??= socket.bytesWritten - this.#passed;
  }

  onAborted(callback: () => void): () => void {
    return this.#socket?.onAborted(callback) ?? (() => {});
  }

  readonly targetOffset = undefined;

  get room(): number {
    return this.#room ?? Infinity;
  }

  /** Before the head is rendered, the header that decides it is asked. */
  get framed(): boolean {
    const response = this.#response;
    return response._header === null ? !response.hasHeader("content-length") : response.chunkedEncoding;
  }

  get unit(): number {
    return this.#response.chunkedEncoding ? chunkBytes : Infinity;
  }

  readonly commits = true;

  head(length: number): string {
    const response = this.#response;
    let head = response._headerSent ? "" : (response._header ?? "");
    response._headerSent = this.#isSent = true;
    if (response.chunkedEncoding) head += `${this.#inChunk ? crlf : ""}${length.toString(16)}${crlf}`;
    this.#inChunk = response.chunkedEncoding;
    return head;
  }

  tail(): string {
    const tail = this.#inChunk ? crlf : "";
    this.#inChunk = false;
    return tail;
  }

  begin(counter: Counter): void {
    this.#lookBack();
    this.#connection.begin(counter);
  }

  headSent(bytes: number): void {
    this.#passed += bytes;
    this.#socket?.headSent(bytes);
  }

  bodySent(bytes: number): void {
    this.#passed += bytes;
    if (this.#room !== undefined) this.#room -= bytes;
    this.#socket?.bodySent(bytes);
  }

  abort(): void {
    this.#response.destroy();
  }
}
