/** The sink of a message of node:http, and what it has room for: for who knows messages by their shape alone until one is there. */
import { ClientRequest, type OutgoingMessage, ServerResponse } from "node:http";
import type { Runtime } from "../../runtime.ts";
import { messageInternals } from "../internals.ts";
import type { OutgoingSink } from "./outgoing-sink.ts";
import { keepPromise, leftOf, promisedLength } from "./promised.ts";
import { RequestSink } from "./request-sink.ts";
import { ResponseSink } from "./response-sink.ts";

/** Whatever way its bytes go, what it promises is looked after from now on. */
export function messageSink(message: OutgoingMessage, runtime: Runtime): OutgoingSink | undefined {
  keepPromise(message);
  if (message instanceof ServerResponse) return new ResponseSink(message, runtime);
  return message instanceof ClientRequest ? new RequestSink(message, runtime) : undefined;
}

/** What the head of a message still promises, once it is rendered; undefined: nothing, or nobody knows. */
export function roomOf(message: OutgoingMessage): number | undefined {
  const internals = messageInternals(message);
  const promised = promisedLength(internals);
  if (!internals._headerSent || promised === undefined) return promised;
  const left = leftOf(message);
  return left === Infinity ? undefined : left;
}
