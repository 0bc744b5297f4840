/** Sockets of node:net, as Bun keeps them: over one of its own sockets. The only place that knows. */
import type { Socket } from "node:net";
import type { SocketFd } from "../../lib/runtime.ts";
import { findFd, holder } from "../../lib/ends/socket-handle.ts";

/** The descriptor, or why there is none. */
export function socketFd(socket: Socket): SocketFd | string {
  const fd = findFd(socket, (handle) => handle.fd);
  return typeof fd === "string" ? fd : { fd };
}

/** Keeps Bun from reading the socket, until its peer resets it: Bun's streams start it by resume(). */
export const stopReading = holder({ stop: "pause", start: "resume", goesOn: () => true });
