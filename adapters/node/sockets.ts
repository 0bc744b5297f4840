/** Sockets of node:net, as Node keeps them. The only place that knows. */
import { readSync } from "node:fs";
import type { Socket } from "node:net";
import type { SocketFd } from "../../lib/runtime.ts";
import { findFd } from "../../lib/ends/socket-handle.ts";

export { holdHandle as stopReading } from "../../lib/ends/socket-handle.ts";

/**
 * The descriptor, or why there is none. `_handle.fd` is libuv's, an implementation detail that has
 * stood since Node 0.11; test/node/socket-fd.test.ts holds it.
 */
export function socketFd(socket: Socket): SocketFd | string {
  const fd = findFd(socket, (handle) => handle.fd);
  return typeof fd === "string" ? fd : { fd };
}

const noByte = new Uint8Array(1);

/**
 * libuv takes a hang-up after a short read for the end (uv__stream_io), though it may be that of a reset; read(2) tells them
 * apart. Nothing can come after a hang-up, so there is nothing that this could take.
 */
export function endedBy(socket: Socket): Error | undefined {
  const found = socketFd(socket);
  if (typeof found === "string") return undefined;
  try {
    readSync(found.fd, noByte);
    return undefined;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code !== "EAGAIN" ? error : undefined;
  }
}
