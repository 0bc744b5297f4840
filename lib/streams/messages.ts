/** What transfer() asks of a message of node:http, which it knows by its shape alone until one is there. */
import { ClientRequest, type OutgoingMessage, ServerResponse } from "node:http";
import { machineFor } from "../engine/machine.ts";
import type { Runtime } from "../runtime.ts";
import { hooksOf } from "./install.ts";
import { messageInternals } from "./internals.ts";
import type { OutgoingSink } from "./sinks/outgoing-sink.ts";
import { keepPromise, leftOf, promisedLength } from "./sinks/promised.ts";
import { RequestSink } from "./sinks/request-sink.ts";
import { ResponseSink } from "./sinks/response-sink.ts";

/** Whatever way its bytes go, what it promises is looked after from now on. */
export function messageSink(message: OutgoingMessage, runtime: Runtime): OutgoingSink | undefined {
  keepPromise(message);
  if (message instanceof ServerResponse) return new ResponseSink(message, runtime);
  return message instanceof ClientRequest ? new RequestSink(message, runtime) : undefined;
}

/** Why what is relied on has not been proven here, or undefined. Without an engine it can't be. */
export async function unproven(kind: OutgoingSink["kind"], runtime: Runtime): Promise<string | undefined> {
  const machine = machineFor(runtime);
  if (typeof machine === "string") return machine;
  if (typeof machine.native === "string") return machine.native;
  const { checks } = hooksOf(runtime);
  await checks.run();
  return checks.objection(`file to ${kind}`);
}

/** What the head of a message still promises, once it is rendered; undefined: nothing, or nobody knows. */
export function roomOf(message: OutgoingMessage): number | undefined {
  const internals = messageInternals(message);
  const promised = promisedLength(internals);
  if (!internals._headerSent || promised === undefined) return promised;
  const left = leftOf(message);
  return left === Infinity ? undefined : left;
}
