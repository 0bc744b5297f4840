/** Sockets of node:net and node:http, as Deno keeps them. The only place that knows. */
import type { Socket } from "node:net";
import type { SocketFd } from "../shared/runtime.ts";

interface Handle {
  fdForIpc?(): unknown;
  reading?: boolean;
  readStart?(): number;
  readStop?(): number;
}

const handleOf = (socket: Socket): Handle | undefined =>
  (socket as Socket & { readonly _handle?: Handle | null })._handle ?? undefined;

/**
 * The descriptor, or why there is none. `fdForIpc()` is meant for passing a socket to a child, and only TCP
 * handles have it. Each call makes a duplicate (Deno 2.9) that nobody but us will close.
 */
export function socketFd(socket: Socket, close: (fd: number) => void): SocketFd | string {
  if ("encrypted" in socket && socket.encrypted) return "TLS encrypts in the process";
  const handle = handleOf(socket);
  if (handle === undefined) return "the socket has no handle";
  const fd = handle.fdForIpc?.();
  if (typeof fd !== "number" || fd < 0) return "the socket's handle shows no descriptor";
  return { fd, release: () => close(fd) };
}

/** Stops Deno from reading, past the stream: `pause()` would let one more chunk in. */
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
