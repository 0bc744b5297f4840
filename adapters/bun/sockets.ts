/** Sockets of node:net, as Bun keeps them: over one of its own sockets. The only place that knows. */
import type { Socket } from "node:net";
import type { SocketFd } from "../shared/runtime.ts";
import { findFd, handleOf } from "../shared/socket-handle.ts";

/** The descriptor, or why there is none. */
export function socketFd(socket: Socket): SocketFd | string {
  const fd = findFd(socket, (handle) => handle.fd);
  return typeof fd === "string" ? fd : { fd };
}

/** Stops Bun from reading the socket. */
export function stopReading(socket: Socket): () => void {
  const handle = handleOf(socket);
  handle?.pause?.();
  return () => handle?.resume?.();
}
