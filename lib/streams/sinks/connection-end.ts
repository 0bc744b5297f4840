/** The end of a connection. Any number of waiters is told of it by a single listener: eleven would be warned of as a leak. */
import { OutgoingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Writable } from "node:stream";
import { slot } from "../../support/slot.ts";

/** Whether a target has gone, or its connection, of which a message hears only later. */
export function isGone(target: Writable): boolean {
  const connection = target instanceof OutgoingMessage ? target.socket : undefined;
  return target.destroyed || connection?.destroyed === true || connection?.writableEnded === true;
}

const waiters = slot<Set<() => void>>();

/** Calls back once when the socket has closed, or soon where it has; the answer stops that. */
export function onConnectionEnd(socket: Socket, callback: () => void): () => void {
  if (socket.destroyed) {
    let isWanted = true;
    process.nextTick(() => isWanted && callback());
    return () => (isWanted = false);
  }
  let waiting = waiters.get(socket);
  if (waiting === undefined) {
    const all = new Set<() => void>();
    waiters.set(socket, (waiting = all));
    socket.once("close", () => {
      for (const each of all) each();
    });
  }
  const all = waiting;
  all.add(callback);
  return () => all.delete(callback);
}
