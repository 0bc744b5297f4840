/**
 * Bodies so small that everything around them would cost more than themselves: one attempt, on this thread, that
 * waits for nothing. It needs no turn in the queue, since nothing else can come in between.
 */
import { limits } from "../../../core/abi.ts";
import type { Engine } from "../engine/engine.ts";
import type { Feed } from "./feed.ts";
import type { Sink } from "./sink.ts";
import type { Tally } from "./tally.ts";

/** What has been done, and what is left to do. */
export interface Begun {
  /** The head of a response has been rendered for a body that is to come. */
  readonly started: boolean;
  /** All of the body has left, and it was the whole. */
  readonly complete: boolean;
  /** Why the stream has to go Node's own way, or undefined. */
  readonly objection?: string | undefined;
  /** What the socket has not taken of a head. */
  readonly unsentHead?: Uint8Array | undefined;
  /** Bytes of the unit that has been announced that are still to come. */
  readonly owed: number;
}

export const nothingBegun: Begun = { started: false, complete: false, owed: 0 };

/** Sends the head of a unit, as far as the socket takes it at once, to share a segment with the bytes: the rest. */
export function sendHead({ native }: Engine, sink: Sink, length: number): Uint8Array | undefined {
  const head = sink.head(length);
  if (head === undefined) return undefined;
  const { fd } = sink;
  // An error is met again, and told of, by the stream's own write.
  const sent = fd === undefined ? 0 : Math.max(0, native.sluice_send(fd, head, head.byteLength, 1));
  if (sent > 0) sink.headSent(sent);
  return sent < head.byteLength ? head.subarray(sent) : undefined;
}

/** How long the body is, where that can be told cheaply and it is small; else 0. */
function smallLength(engine: Engine, feed: Feed, sink: Sink): number {
  const asked = sink.framed ? undefined : feed.askedLength;
  if (asked !== undefined) return asked <= limits.inline_bytes ? asked : 0;
  const source = feed.inspect(engine.native);
  const length = typeof source === "string" ? 0 : (feed.range(source).length ?? 0);
  return length <= limits.inline_bytes ? length : 0;
}

export function sendAtOnce(engine: Engine, feed: Feed, sink: Sink, tally: Tally): Begun {
  const { queue, immediate } = sink;
  if (!immediate || queue.writableLength > 0 || queue.writableCorked > 0) return nothingBegun;
  const target = sink.open(engine.native);
  if (typeof target === "string") return { ...nothingBegun, objection: target };
  if (target.kind !== "socket" || !target.nonblocking) return nothingBegun;
  const wanted = smallLength(engine, feed, sink);
  if (wanted === 0) return nothingBegun;
  const objection = sink.commit();
  if (objection !== undefined) return { ...nothingBegun, objection };
  const length = Math.min(wanted, sink.room);
  return length === 0 ? nothingBegun : attempt(engine, feed, sink, tally, length);
}

function attempt(engine: Engine, feed: Feed, sink: Sink, tally: Tally, length: number): Begun {
  const { fd, unit } = sink;
  const head = sink.head(length);
  const promised = unit < Infinity ? length : 0;
  const strategy = length <= limits.inline_copy_bytes ? "buffered" : "sendfile";
  const job = {
    strategy,
    offset: feed.offset,
    length,
    targetOffset: undefined,
    inline: true,
    cache: "normal",
    givesWay: false,
  } as const;
  const attempted = fd === undefined ? undefined : engine.attempt(feed.fd, fd, job, head);
  const { bytes } = attempted?.outcome ?? { bytes: 0 };
  if (attempted !== undefined && bytes > 0) {
    tally.addAttempt(attempted.outcome, strategy, "small enough for one attempt on the calling thread");
    feed.moved(bytes);
    sink.bodySent(bytes);
  }
  const headSent = attempted?.headSent ?? 0;
  if (headSent > 0) sink.headSent(headSent);
  const unsent = head?.subarray(headSent);
  return {
    started: true,
    // An error is met again by what follows.
    complete: bytes === length,
    unsentHead: unsent === undefined || unsent.byteLength === 0 ? undefined : unsent,
    owed: promised === 0 ? 0 : length - bytes,
  };
}
