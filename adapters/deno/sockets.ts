/** Sockets of node:net and node:http, as Deno keeps them. The only place that knows. */
import type { Socket } from "node:net";
import type { SocketFd } from "../../lib/runtime.ts";
import { findFd } from "../../lib/ends/socket-handle.ts";

export { holdHandle as stopReading } from "../../lib/ends/socket-handle.ts";

/**
 * The descriptor, or why there is none. `fdForIpc()` is meant for passing a socket to a child, and only TCP
 * handles have it. Each call makes a duplicate (Deno 2.9) that nobody but us will close.
 */
export function socketFd(socket: Socket, close: (fd: number) => void): SocketFd | string {
  const fd = findFd(socket, (handle) => handle.fdForIpc?.());
  return typeof fd === "string" ? fd : { fd, release: () => close(fd) };
}
