/** Answers of an upstream as Responses. */
import type { IncomingMessage } from "node:http";
import { bodyOf, type MessageBody } from "../../ends/message-body.ts";
import { atRequestEnd } from "../request-end.ts";
import { cutOff, unfit } from "./failure.ts";
import { dropHops, framingOf } from "./hops.ts";

/** Statuses whose Responses can have no body. */
const bodiless: ReadonlySet<number | undefined> = new Set([204, 205, 304]);

/** RFC 9112, 4. Not every runtime's Response asks for it, and no response of node:http takes anything else. */
const reasonPhrase = /^[\t\x20-\x7e\x80-\xff]*$/;

/** The last resort: another server dropped a Response, unread, uncancelled and without an abort. */
const abandoned = new FinalizationRegistry<IncomingMessage>((message) => message.destroy());

/** In a function of its own, by which the message leads to no body. */
function watchFor(body: MessageBody, message: IncomingMessage): void {
  abandoned.register(body, message, message);
  message.once("close", forgetMessage);
}

function forgetMessage(this: IncomingMessage): void {
  abandoned.unregister(this);
}

function headersOf({ rawHeaders }: IncomingMessage): Headers {
  const headers = new Headers();
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) headers.append(rawHeaders[i] ?? "", rawHeaders[i + 1] ?? "");
  return headers;
}

/** The connection ends with what is wanted of the body, unless that is all. */
function bodyFor(request: Request, message: IncomingMessage): MessageBody {
  const onCancel = () => void message.destroy();
  const body = bodyOf(message, { onCancel, kept: request, explain: cutOff });
  watchFor(body, message);
  const drop = () => {
    if (!body.locked) message.destroy();
  };
  const forget = atRequestEnd(request, drop);
  if (forget !== undefined) message.once("close", forget);
  return body;
}

/** @throws PassFailure for an answer that a Response can't be */
export function answerOf(request: Request, message: IncomingMessage, name: string): Response {
  const { statusCode = 0, statusMessage = "" } = message;
  const framing = framingOf(message);
  try {
    if (framing === undefined) throw unfit(name, "its answer is in an unknown transfer coding");
    if (statusCode < 200 || statusCode > 599) throw unfit(name, `it answered with a status of ${statusCode}`);
    if (!reasonPhrase.test(statusMessage)) throw unfit(name, "its status has a text that is none");
    const headers = headersOf(message);
    dropHops(headers);
    if (framing.length === undefined) headers.delete("content-length");
    const head = { status: statusCode, statusText: statusMessage, headers };
    const hasBody = request.method !== "HEAD" && !bodiless.has(statusCode);
    if (!hasBody) message.resume();
    return new Response(hasBody ? bodyFor(request, message) : null, head);
  } catch (error) {
    message.destroy();
    // A name or a value that Node's parser let through and that fetch refuses.
    throw error instanceof TypeError || error instanceof RangeError ? unfit(name, error.message) : error;
  }
}
