/** The `_read` of sockets: from the first read of bulk on, bytes go from the connection to where it is piped to. */
import type { Socket } from "node:net";
import { slot } from "../support/slot.ts";
import { decide, handOver } from "./hook.ts";
import { isPaused, pipesOf } from "./internals.ts";
import { type Ledger, uneven } from "./ledger.ts";
import { lastTargetOf, ledgerOf } from "./pipes.ts";
import { SocketFeed } from "./socket-feed.ts";
import type { Surroundings } from "./surroundings.ts";

/** Bytes of one read that are more than messages: a socket that sends less at a time is served faster where it is. */
const bulkBytes = 16_384;

/** Events of a target after which it may take what it could not. */
const changes = ["drain", "unpipe", "close"] as const;

/** Calls back, in a later turn of the event loop, when a socket's target takes bytes again or has gone. */
function onceChanged(socket: Socket, callback: () => void): void {
  const target = lastTargetOf(socket);
  const changed = () => {
    for (const name of changes) target?.off(name, changed);
    socket.off("close", changed);
    setImmediate(callback);
  };
  for (const name of changes) target?.on(name, changed);
  socket.on("close", changed);
}

/**
 * Lets Node give the target all that it has in hand, with the handle held, so that nothing comes after. It answers in a
 * later turn of the event loop: what objects to a hand-over, or undefined.
 */
function settle(socket: Socket, ledger: Ledger, answer: (objection?: string) => void): void {
  const look = () => {
    if (socket.destroyed) answer("the stream was destroyed");
    else if (ledger.isEven) answer();
    else if (isPaused(socket) || socket.readableFlowing === true) answer(uneven);
    else onceChanged(socket, look);
  };
  setImmediate(look);
}

/** Makes an `_read` for sockets out of Node's own. The first call after a read of bulk decides. */
export function socketRead(original: Socket["_read"], surroundings: Surroundings): Socket["_read"] {
  const { runtime } = surroundings;
  const before = slot<number>();
  const decided = slot<true>();
  return function _read(this: Socket, size: number): void {
    const { bytesRead } = this;
    const isBulk = bytesRead - (before.get(this) ?? bytesRead) >= bulkBytes || runtime.keepsSockets !== undefined;
    before.set(this, bytesRead);
    if (!isBulk || decided.get(this) || pipesOf(this).length === 0) return original.call(this, size);
    const feed = new SocketFeed(this, runtime, original);
    const decision = decide(this, feed, surroundings);
    if ("objection" in decision && decision.isPending === true) return original.call(this, size);
    decided.set(this, true);
    const ledger = ledgerOf(this);
    if ("objection" in decision) return handOver(this, feed, surroundings);
    if (ledger?.isFor(decision.target) !== true)
      return handOver(this, feed, surroundings, "it was piped by other means");
    feed.hold();
    settle(this, ledger, (objection) => handOver(this, feed, surroundings, objection));
  };
}
