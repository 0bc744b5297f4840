/** What transfer() asks of a message of node:http, which it knows by its shape alone until one is there. */
import { ClientRequest, type IncomingMessage, type OutgoingMessage, ServerResponse } from "node:http";
import { bodyLength } from "../../core/body.ts";
import { machineFor } from "../engine/machine.ts";
import type { Runtime } from "../runtime.ts";
import { type Body, bodyOf, follow, unfollow } from "./body.ts";
import { MessageFeed } from "./feeds/message-feed.ts";
import type { Kind } from "./hooks/surroundings.ts";
import { hooksOf, readMessage } from "./install.ts";
import { messageInternals, pipesOf } from "./internals.ts";
import { replacedReading } from "./originals.ts";
import { isBehind, isHeldUp } from "./parser.ts";
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

/** Why a kind of hand-over has not been proven here, or undefined. Without an engine it can't be. */
export async function unproven(kind: Kind, runtime: Runtime): Promise<string | undefined> {
  const machine = machineFor(runtime);
  if (typeof machine === "string") return machine;
  if (typeof machine.native === "string") return machine.native;
  const { checks } = hooksOf(runtime);
  await checks.run();
  return checks.objection(kind);
}

/** What the head of a message still promises, once it is rendered; undefined: nothing, or nobody knows. */
export function roomOf(message: OutgoingMessage): number | undefined {
  const internals = messageInternals(message);
  const promised = promisedLength(internals);
  if (!internals._headerSent || promised === undefined) return promised;
  const left = leftOf(message);
  return left === Infinity ? undefined : left;
}

/** A message whose bytes are counted, so that most of its body may pass its parser by. */
export class Followed {
  feed: MessageFeed;
  readonly body: Body;
  readonly #message: IncomingMessage;
  readonly #runtime: Runtime;

  constructor(message: IncomingMessage, runtime: Runtime, body: Body) {
    this.#message = message;
    this.#runtime = runtime;
    this.body = body;
    this.feed = this.#newFeed();
  }

  #newFeed(): MessageFeed {
    return new MessageFeed(this.#message, this.#runtime, readMessage, this.body);
  }

  /** Keeps the runtime from reading its connection, or says why that can't be. Not to be called while a parser runs. */
  async hold(): Promise<string | undefined> {
    const readAgain = this.#runtime.stopReading(this.#message.socket);
    try {
      await this.#catchUp();
      this.feed = this.#newFeed();
      const objection = this.#objection();
      if (objection === undefined) this.feed.hold();
      return objection;
    } finally {
      readAgain();
    }
  }

  /** A client's connection may have been read ahead of a message that nobody has read yet. */
  async #catchUp(): Promise<void> {
    const message = this.#message;
    for (let before = Infinity; isBehind(message) && !message.destroyed && !isHeldUp(message);) {
      const { readableLength } = message.socket;
      if (readableLength >= before) return;
      before = readableLength;
      readMessage.call(message, message.readableHighWaterMark);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #objection(): string | undefined {
    const message = this.#message;
    if (message.destroyed || message.complete) return "the message has come to its end";
    if (isHeldUp(message)) return "the connection waits for its answers to be sent";
    if (isBehind(message)) return "the connection has been read ahead of the message";
    return this.body.passable === 0 ? "too little of the body is left" : this.feed.objection();
  }

  /** Everything is as it was. */
  leave(): void {
    this.feed.close();
    this.body.leave();
    unfollow(this.#message);
  }
}

/** Follows a message from now on, or says why not. */
export function followed(message: IncomingMessage, runtime: Runtime): Followed | string {
  const length = bodyLength(message.rawHeaders);
  if (typeof length !== "number") return length ?? "the message tells no length of its body";
  if (bodyOf(message) !== undefined || pipesOf(message).length > 0) return "the message is piped";
  const replaced = message._read === readMessage ? replacedReading(message) : "_read";
  if (replaced !== undefined) return `the stream's ${replaced} has been replaced`;
  return new Followed(message, runtime, follow(message, length, readMessage));
}
