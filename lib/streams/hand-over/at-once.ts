/**
 * Bodies so small that everything around them would cost more than themselves: one attempt, on this thread, that
 * waits for nothing. It needs no write lock, since nothing else can come in between.
 */
import { limits } from "../../../core/abi/limits.ts";
import { nothing } from "../../../core/plan/kernel.ts";
import type { Route } from "./route.ts";

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

/** Room before a small body for the head of its response. */
const headRoom = 8192;

/** A head and a small body, to leave by one write. For all streams: it is sent before anything else can run. */
let memory: Buffer | undefined;

/** The place of a body in there. */
function placeOf(length: number): Buffer {
  memory ??= Buffer.allocUnsafeSlow(headRoom + limits.inline_copy_bytes);
  return memory.subarray(headRoom, headRoom + length);
}

/** Sends the head of a unit, as far as the socket takes it at once, to share a segment with the bytes: the rest. */
export function sendHead({ engine, sink }: Route, length: number): Uint8Array | undefined {
  const text = sink.framing?.head(length) ?? "";
  if (text === "") return undefined;
  const head = Buffer.from(text, "latin1");
  const { fd } = sink;
  // An error is met again, and told of, by the stream's own write.
  const sent = fd === undefined ? 0 : Math.max(0, engine.native.sluice_send(fd, head, head.byteLength, 1));
  if (sent > 0) sink.sent(0, sent);
  return sent < head.byteLength ? head.subarray(sent) : undefined;
}

/** How long the body is, where that can be told cheaply and it is small; else 0. */
function smallLength({ engine, feed, sink }: Route): number {
  const asked = sink.framing?.chunked === true ? undefined : feed.askedLength;
  if (asked !== undefined) return asked <= limits.inline_bytes ? asked : 0;
  const source = feed.inspect(engine.native);
  const length = typeof source === "string" ? 0 : (feed.range(source).length ?? 0);
  return length <= limits.inline_bytes ? length : 0;
}

/**
 * Nothing of a response is committed before its first bytes are at hand: what turns out to be another kind of file, or
 * can't be read, is still to become a 404 or a 500.
 */
export function sendAtOnce(route: Route): Begun {
  const { engine, feed, sink } = route;
  const { framing } = sink;
  // Only a socket takes bytes without a wait. What a connection has in hand can't be read again: it goes within the lock.
  if (feed.kind !== "file" || sink.kind === "file" || sink.queue.writableLength > 0) return nothingBegun;
  const target = sink.open(engine.native);
  if (typeof target === "string") return { ...nothingBegun, objection: target };
  if (target.kind !== "socket" || !target.nonblocking) return nothingBegun;
  const wanted = smallLength(route);
  if (wanted === 0) return nothingBegun;
  const isCopied = wanted <= limits.inline_copy_bytes;
  const body = isCopied ? readBody(route, wanted) : undefined;
  if (isCopied ? body === undefined : !hasFirstByte(route)) return nothingBegun;
  const objection = framing?.commit();
  if (objection !== undefined) return { ...nothingBegun, objection };
  const length = Math.min(wanted, framing?.room ?? Infinity);
  if (length === 0) return nothingBegun;
  const head = framing?.head(length) ?? "";
  const send = body === undefined ? sendByReference : sendCopy;
  const { headSent, bytes } = send(route, head, length);
  if (headSent + bytes > 0) sink.sent(bytes, headSent);
  if (bytes > 0) feed.moved(bytes);
  return {
    started: true,
    // An error is met again by what follows.
    complete: bytes === length,
    unsentHead: headSent < head.length ? Buffer.from(head.slice(headSent), "latin1") : undefined,
    owed: framing !== undefined && framing.unit < Infinity ? length - bytes : 0,
  };
}

/** Reads the whole of a body to its place in memory, if that waits for nothing. */
function readBody({ engine, feed }: Route, length: number): Buffer | undefined {
  const body = placeOf(length);
  return engine.readNow(feed.fd, feed.offset, body) === length ? body : undefined;
}

/** Whether the next byte of a file is at hand. False: it may be so yet, or be an error, but only a wait can tell. */
export function hasFirstByte({ engine, feed }: Route): boolean {
  return engine.readNow(feed.fd, feed.offset, placeOf(1)) === 1;
}

type Sent = { readonly headSent: number; readonly bytes: number };
type Send = (route: Route, head: string, length: number) => Sent;

const reason = "small enough for one attempt on the calling thread";

/** What `readBody` has read, by one write. */
const sendCopy: Send = ({ engine, sink: { fd = -1 }, tally }, head, length) => {
  if (memory === undefined) throw new TypeError("A body was sent before it was read");
  const body = memory.subarray(headRoom, headRoom + length);
  const fits = head.length <= headRoom;
  if (fits) memory.write(head, headRoom - head.length, "latin1");
  const message = fits
    ? memory.subarray(headRoom - head.length, headRoom + length)
    : Buffer.concat([Buffer.from(head, "latin1"), body]);
  const sent = Math.max(0, engine.native.sluice_send(fd, message, message.length, 0));
  const headSent = Math.min(sent, head.length);
  const bytes = sent - headSent;
  if (bytes > 0) tally.addAttempt({ ...nothing, bytes, syscalls: 3 }, "buffered", reason);
  return { headSent, bytes };
};

/** The kernel takes the pages themselves. */
const sendByReference: Send = ({ engine, feed, sink: { fd = -1 }, tally }, head, length) => {
  const job = {
    strategy: "sendfile",
    offset: feed.offset,
    length,
    targetOffset: undefined,
    inline: true,
    cache: "normal",
    givesWay: false,
  } as const;
  const attempted = engine.attempt(feed.fd, fd, job, Buffer.from(head, "latin1"));
  if (attempted === undefined) return { headSent: 0, bytes: 0 };
  const { outcome, headSent } = attempted;
  if (outcome.bytes > 0) tally.addAttempt(outcome, "sendfile", reason);
  return { headSent, bytes: outcome.bytes };
};
