/** Finds the descriptor under a socket of node:net. The only place that knows how Node keeps it. */
import type { Socket } from "node:net";

interface StreamHandle {
  readonly fd?: unknown;
}

/**
 * The descriptor, or why there is none. `_handle.fd` is libuv's, an implementation detail that has
 * stood since Node 0.11; test/node/socket-fd.test.ts holds it.
 */
export function socketFd(socket: Socket): number | string {
  if ("encrypted" in socket) return "TLS encrypts in the process";
  const handle = (socket as Socket & { readonly _handle?: StreamHandle | null })._handle;
  if (handle === undefined || handle === null) return "the socket has no handle";
  return typeof handle.fd === "number" && handle.fd >= 0 ? handle.fd : "the socket's handle shows no descriptor";
}
