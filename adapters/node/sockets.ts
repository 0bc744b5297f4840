/** Sockets of node:net, as Node keeps them. The only place that knows. */
import type { Socket } from "node:net";
import type { SocketFd } from "../shared/runtime.ts";
import { findFd } from "../shared/socket-handle.ts";

export { holdHandle as stopReading } from "../shared/socket-handle.ts";

/**
 * The descriptor, or why there is none. `_handle.fd` is libuv's, an implementation detail that has
 * stood since Node 0.11; test/node/socket-fd.test.ts holds it.
 */
export function socketFd(socket: Socket): SocketFd | string {
  const fd = findFd(socket, (handle) => handle.fd);
  return typeof fd === "string" ? fd : { fd };
}
