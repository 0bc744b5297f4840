/** Sockets of node:net and node:http, as Deno keeps them. The only place that knows. */
import type { Socket } from "node:net";
import type { SocketFd } from "../../lib/runtime.ts";
import { findFd } from "../../lib/ends/socket-handle.ts";
import { boundLibrary } from "./ffi.ts";

export { holdHandle as stopReading } from "../../lib/ends/socket-handle.ts";

/**
 * The descriptor, or why there is none. `fdForIpc()` is meant for passing a socket to a child, and only TCP
 * handles have it. Each call makes a duplicate (Deno 2.9) that nobody but us will close, and only the engine can.
 */
export function socketFd(socket: Socket): SocketFd | string {
  const native = boundLibrary();
  if (native === undefined) return "the engine is not there";
  const fd = findFd(socket, (handle) => handle.fdForIpc?.());
  return typeof fd === "string" ? fd : { fd, release: () => void native.sluice_close(fd) };
}
