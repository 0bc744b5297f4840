/** Handlers in the manner of fetch as listeners of node:http. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { codeOf } from "../system-error.ts";
import { takeFile } from "./body.ts";
import { toRequest } from "./node-request.ts";
import type { FetchHandler, HandlerOptions, NodeHandler } from "./options.ts";
import { beginRequest } from "./request-end.ts";
import { type OpenStream, sendFile } from "./send.ts";

/** Statuses whose answers have no body (RFC 9110, 6.4.1). */
const bodiless = new Set([204, 205, 304]);

function setHead(message: IncomingMessage, response: ServerResponse, { status, statusText, headers }: Response): void {
  response.statusCode = status;
  // HTTP/2 has no such text.
  if (statusText !== "" && message.httpVersionMajor < 2) response.statusMessage = statusText;
  for (const [name, value] of headers) if (name !== "set-cookie") response.setHeader(name, value);
  const cookies = headers.getSetCookie();
  if (cookies.length > 0) response.setHeader("set-cookie", cookies);
}

/** Cancels a body that is not going to be sent, unless somebody else reads it. */
async function drop(body: Response["body"]): Promise<void> {
  if (body !== null && !body.locked) await body.cancel();
}

/** Sends an answer to its end. Rejects where its body fails, or the connection does. */
async function send(
  open: OpenStream,
  message: IncomingMessage,
  response: ServerResponse,
  answer: Response,
  gone: AbortSignal,
): Promise<void> {
  const { body } = answer;
  if (response.destroyed || gone.aborted) return drop(body);
  setHead(message, response, answer);
  if (body === null || message.method === "HEAD" || bodiless.has(answer.status)) {
    response.end();
    return drop(body);
  }
  const file = takeFile(body);
  if (file !== undefined) return sendFile(open, file, response, gone);
  if (body.locked) throw new TypeError("The body of the Response is being read by somebody else");
  return pipeline(Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0]), response, { signal: gone });
}

/** Answers with a status and nothing else that could tell anybody anything. */
function sendStatus(response: ServerResponse, status: number): void {
  for (const name of response.getHeaderNames()) response.removeHeader(name);
  response.statusCode = status;
  response.statusMessage = "";
  response.end();
}

/** Ends an answer that has failed: with 500 while that can be said, else by breaking the connection off. */
function abandon(response: ServerResponse): void {
  if (response.headersSent || response.destroyed) response.destroy();
  else sendStatus(response, 500);
}

/** Lets the rest of a request's body flow away, that nobody has read: the next request comes behind it. */
function letGo(message: IncomingMessage): void {
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
function isOfAbort(error: unknown, { aborted, reason }: AbortSignal): boolean {
  return aborted && (error === reason || disconnected.has(codeOf(error)));
}

async function call(fetch: FetchHandler, request: Request): Promise<Response> {
  const response: unknown = await fetch(request);
  if (response instanceof Response) return response;
  throw new TypeError("The handler gave no Response");
}

export type ToNodeHandler = (fetch: FetchHandler, options?: HandlerOptions) => NodeHandler;

/** Makes `toNodeHandler` for a way of reading files. */
export const nodeHandlers =
  (open: OpenStream): ToNodeHandler =>
  (fetch, { onError = console.error } = {}) =>
  (message, response) => {
    const abort = new AbortController();
    const request = toRequest(message, abort.signal);
    if (typeof request === "number") return sendStatus(response, request);
    const end = beginRequest(request);
    const over = () => {
      if (!response.writableFinished) abort.abort();
      end();
    };
    response.once("finish", () => letGo(message));
    response.once("close", over);
    // Node 20 and Deno tell an answer that waits for its turn nothing of its connection's end.
    message.once("aborted", over);
    call(fetch, request)
      .then((answer) => send(open, message, response, answer, abort.signal))
      .catch((error: unknown) => {
        abandon(response);
        if (!isOfAbort(error, abort.signal)) onError(error);
      })
      // What was opened after the client had gone is over, too.
      .finally(() => abort.signal.aborted && end());
  };
