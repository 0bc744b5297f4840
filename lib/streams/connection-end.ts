/** Tells any number of waiters of the end of one connection, by a single listener: eleven would be warned of as a leak. */
import type { Socket } from "node:net";
import { slot } from "../support/slot.ts";

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
