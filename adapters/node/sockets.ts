/** Sockets of node:net, as Node keeps them. The only place that knows. */
import type { Socket } from "node:net";
import type { SocketFd } from "../shared/runtime.ts";

/** libuv's side of a socket. */
interface StreamHandle {
  readonly fd?: unknown;
  reading?: boolean;
  readStart?(): number;
  readStop?(): number;
}

const handleOf = (socket: Socket): StreamHandle | undefined =>
  (socket as Socket & { readonly _handle?: StreamHandle | null })._handle ?? undefined;

/**
 * The descriptor, or why there is none. `_handle.fd` is libuv's, an implementation detail that has
 * stood since Node 0.11; test/node/socket-fd.test.ts holds it.
 */
export function socketFd(socket: Socket): SocketFd | string {
  if ("encrypted" in socket) return "TLS encrypts in the process";
  const handle = handleOf(socket);
  if (handle === undefined) return "the socket has no handle";
  const { fd } = handle;
  return typeof fd === "number" && fd >= 0 ? { fd } : "the socket's handle shows no descriptor";
}

/**
 * Stops libuv from reading, past the stream: `pause()` would let one more chunk in. The stream believes
 * that its read is still under way, so it is the handle, not the stream, that is started again.
 */
export function stopReading(socket: Socket): () => void {
  const handle = handleOf(socket);
  const wasReading = handle?.reading ?? false;
  if (handle !== undefined) {
    handle.reading = false;
    handle.readStop?.();
  }
  return () => {
    if (handle === undefined || !wasReading) return;
    handle.reading = true;
    handle.readStart?.();
  };
}
