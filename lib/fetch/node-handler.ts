/** Fetch-style handlers as listeners of node:http. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { checkKnown } from "../../core/options.ts";
import { messageBehind, takeMessage } from "../ends/message-body.ts";
import { codeOf } from "../support/system-error.ts";
import { takeFile } from "./body.ts";
import { promisedLength, setHead } from "./headers.ts";
import { toRequest } from "./node-request.ts";
import { type FetchHandler, handlerOptions, type HandlerOptions, type NodeHandler } from "./options.ts";
import { beginRequest, type RequestEnd } from "./request-end.ts";
import { isAsCodedHead, sendBody } from "./send-body.ts";
import type { SendMessage } from "./send-message.ts";
import type { SendFile } from "./traits.ts";

/** Statuses whose answers have no body (RFC 9110, 6.4.1). */
const bodiless = new Set([204, 205, 304]);

/** Cancels a body that is not going to be sent, unless it has another reader. */
async function drop(body: Response["body"]): Promise<void> {
  if (body !== null && !body.locked) await body.cancel();
}

/** How bodies that are more than streams are sent. */
export interface Senders {
  readonly file: SendFile;
  readonly message: SendMessage;
}

/** The untouched answer of an upstream behind a body, unless its head has been changed to promise another length. */
function upstreamBehind(body: ReadableStream<Uint8Array>, headers: Headers): IncomingMessage | undefined {
  const message = messageBehind(body);
  if (typeof message?.statusCode !== "number") return undefined;
  const { "content-length": length, "transfer-encoding": codings } = message.headers;
  const own = codings === undefined && length !== undefined ? Number(length) : undefined;
  return promisedLength(headers) === own ? takeMessage(body) : undefined;
}

/** Sends an answer to its end. Rejects where its body fails, or the connection does; answers what else there is to tell. */
async function send(
  senders: Senders,
  message: IncomingMessage,
  response: ServerResponse,
  answer: Response,
  end: RequestEnd,
): Promise<Error | void> {
  const { body, status } = answer;
  if (response.destroyed || end.isPast) return drop(body);
  if (bodiless.has(status)) {
    setHead(message, response, answer, { length: status === 205 ? 0 : undefined, isCoded: true });
    response.end();
    return drop(body);
  }
  const isHead = message.method === "HEAD";
  if (body === null) {
    const isCoded = !isHead || isAsCodedHead(answer);
    const promised = isCoded ? promisedLength(answer.headers) : undefined;
    if (!isHead && promised !== undefined && promised > 0) response.shouldKeepAlive = false;
    setHead(message, response, answer, { length: isHead ? promised : 0, isCoded });
    return void response.end();
  }
  if (body.locked) throw new TypeError("The body of the Response is being read by somebody else");
  if (isHead && !answer.headers.has("content-encoding")) {
    setHead(message, response, answer, { length: promisedLength(answer.headers), isCoded: true });
    response.end();
    return drop(body);
  }
  const upstream = isHead ? undefined : upstreamBehind(body, answer.headers);
  if (upstream !== undefined) {
    setHead(message, response, answer, { length: promisedLength(answer.headers), isCoded: true });
    return senders.message(upstream, response, end);
  }
  const file = isHead ? undefined : takeFile(body);
  if (file === undefined) return sendBody(message, response, answer, body, end);
  setHead(message, response, answer, { length: file.length, isCoded: true });
  return senders.file(file, response, end);
}

/** Answers with a status, and tells nothing else. */
function sendStatus(response: ServerResponse, status: number): void {
  for (const name of response.getHeaderNames()) response.removeHeader(name);
  response.statusCode = status;
  response.statusMessage = "";
  response.setHeader("content-length", 0);
  response.end();
}

/** Ends an answer that has failed: with 500 while that can be said, else by breaking the connection off. */
function abandon(response: ServerResponse): void {
  if (response.destroyed) return;
  if (response.headersSent) breakOff(response);
  else sendStatus(response, 500);
}

/** Ends the connection of an answer that isn't whole. Where only that would be the end of the body (HTTP/1.0), by a reset. */
function breakOff(response: ServerResponse): void {
  const isFramed = response.req.httpVersion !== "1.0" || response.hasHeader("content-length");
  const { socket } = response;
  // Not every server's has it.
  if (isFramed || typeof socket?.resetAndDestroy !== "function") response.destroy();
  else socket.resetAndDestroy();
}

/** Discards what is unread of a request's body: the next request comes behind it. */
function discardRest(message: IncomingMessage): void {
  if (!message.complete) message.resume();
}

/** What streams and sockets say of a connection that the other side has left. */
const disconnected: ReadonlySet<unknown> = new Set([
  "ABORT_ERR",
  "ERR_STREAM_PREMATURE_CLOSE",
  "ERR_STREAM_DESTROYED",
  "ECONNRESET",
  "EPIPE",
]);

/** Whether an error is nothing but the client's going away. */
function isOfAbort(error: unknown, { aborted, reason }: AbortSignal, { isPast }: RequestEnd): boolean {
  return (aborted && error === reason) || (isPast && disconnected.has(codeOf(error)));
}

/** Emitted by a request whose client has ended its side of the connection. */
export const clientEnded = Symbol("clientEnded");

async function call(fetch: FetchHandler, request: Request): Promise<Response> {
  const response: unknown = await fetch(request);
  if (response instanceof Response) return response;
  throw new TypeError("The handler gave no Response");
}

export type ToNodeHandler = (fetch: FetchHandler, options?: HandlerOptions) => NodeHandler;

/** Makes `toNodeHandler` for ways of sending bodies. */
export const nodeHandlers =
  (senders: Senders): ToNodeHandler =>
  (fetch, options = {}) => {
    checkKnown(options, handlerOptions);
    const { onError = console.error } = options;
    return (message, response) => {
      const abort = new AbortController();
      const request = toRequest(message, abort.signal);
      if (typeof request === "number") return sendStatus(response, request);
      const end = beginRequest(request, message.socket.remoteAddress);
      const over = () => {
        if (!response.writableFinished) abort.abort();
        end.come();
      };
      response.once("finish", () => discardRest(message));
      response.once("close", over);
      // Node 20 and Deno tell an answer that waits for its turn nothing of its connection's end.
      message.once("aborted", over);
      // It may be gone, and it may wait: what the handler answers all the same is sent.
      message.once(clientEnded, () => abort.abort());
      call(fetch, request)
        .then((answer) => send(senders, message, response, answer, end))
        .then((error) => error && onError(error))
        .catch((error: unknown) => {
          abandon(response);
          if (!isOfAbort(error, abort.signal, end)) onError(error);
        });
    };
  };
