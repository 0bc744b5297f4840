/** Messages of node:http that are piped: from their body's first bytes on, the others go from the connection to the target. */
import { WriteStream } from "node:fs";
import type { IncomingMessage } from "node:http";
import type { Writable } from "node:stream";
import { bodyLength, leastBodyBytes } from "../../../core/body.ts";
import { bodyOf, follow } from "../body.ts";
import { MessageFeed } from "../feeds/message-feed.ts";
import { Tally } from "../hand-over/tally.ts";
import { isPaused, pipesOf } from "../internals.ts";
import { isBehind, isHeldUp } from "../parser.ts";
import { replacedReading } from "../originals.ts";
import { report, tell } from "../report.ts";
import { decide, handOver } from "./decision.ts";
import type { Surroundings } from "./surroundings.ts";

type Read = (this: IncomingMessage, size: number) => void;

/** To be called as a message is piped, before anything can flow. */
export type Follow = (message: IncomingMessage, target: Writable) => void;

/** Whether a response without a length has a body at all (RFC 9112 §6.3). */
function endsByClose(message: IncomingMessage & { readonly req?: { readonly method?: string } }): boolean {
  // A request has no status.
  const status = message.statusCode ?? 0;
  return status >= 200 && status !== 204 && status !== 304 && message.req?.method !== "HEAD";
}

/** Why a message goes Node's own way whatever comes, or undefined. */
function objectionTo(message: IncomingMessage, read: Read): string | undefined {
  if (message.readableEncoding !== null) return "the stream is decoded";
  if (message.readableDidRead) return "the stream was read before it was piped";
  const replaced = message._read === read ? replacedReading(message) : "_read";
  return replaced === undefined ? undefined : `the stream's ${replaced} has been replaced`;
}

/** Most messages: no part of it is made anew. */
const tooSmall = "the body is too small";
const nothing = new Tally();

/** Gives the target what has come by Node's own way; nothing else comes meanwhile. */
function empty(message: IncomingMessage): void {
  while (message.readableLength > 0 && !isPaused(message) && message.read() !== null);
}

/** With fewer bytes of a body to come it isn't handed over to that target. */
export type Least = (target: Writable | undefined) => number;

const usualLeast: Least = (target) => leastBodyBytes[target instanceof WriteStream ? "file" : "connection"];

/**
 * Makes what follows messages out of Node's own `_read`. A body is handed over when some of it has come, so that what its target
 * begins with has been written, and as often as enough of it is left: a stream that was paused goes on.
 */
export function followMessages(original: Read, surroundings: Surroundings, least: Least = usualLeast): Follow {
  const { runtime } = surroundings;
  const never = surroundings.disabled ?? runtime.unsupported.socketStreams;

  /** In a turn of its own: the parser is in the middle of its bytes while it tells of them, and a stream while it reads. */
  const begin = (message: IncomingMessage, feed: MessageFeed) => {
    empty(message);
    if (message.destroyed) feed.close();
    else if (isPaused(message) || isHeldUp(message)) feed.putBack();
    else handOver(message, feed, surroundings);
  };

  function _read(this: IncomingMessage, size: number): void {
    const body = bodyOf(this);
    const waits = body === undefined || body.isHeld || body.came === 0 || pipesOf(this).length === 0;
    if (waits || body.isDecided || isPaused(this) || isHeldUp(this) || isBehind(this)) return original.call(this, size);
    if (body.left < least(pipesOf(this)[0])) {
      body.leave();
      if (report(this) === undefined)
        tell(this, pipesOf(this)[0], body.tally, "too little of the body was left", true, surroundings);
      return original.call(this, size);
    }
    const feed = new MessageFeed(this, runtime, original, body);
    const decision = decide(this, feed, surroundings);
    if ("objection" in decision && decision.isPending === true) return original.call(this, size);
    if ("objection" in decision) return handOver(this, feed, surroundings);
    body.isHeld = true;
    feed.hold();
    setImmediate(begin, this, feed);
  }

  /** Follows a message where that is of use; else the answer is why not, or undefined where there is no body. */
  const begins = (message: IncomingMessage, target: Writable): string | undefined => {
    const length = bodyLength(message.rawHeaders) ?? (endsByClose(message) ? "the body ends with its connection" : 0);
    if (length === 0) return undefined;
    if (typeof length === "string") return never ?? length;
    if (length < least(target)) return never ?? tooSmall;
    const objection = never ?? objectionTo(message, original);
    if (objection === undefined) follow(message, length, _read);
    return objection;
  };

  return (message, target) => {
    if (bodyOf(message) !== undefined || report(message) !== undefined) return;
    const objection = begins(message, target);
    if (objection !== undefined) tell(message, target, nothing, objection, false, surroundings);
  };
}
