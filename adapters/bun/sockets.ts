/** Sockets of node:net, as Bun keeps them: over one of its own sockets. The only place that knows. */
import type { Socket } from "node:net";
import type { SocketFd } from "../shared/runtime.ts";

interface Handle {
  readonly fd?: unknown;
  pause?(): void;
  resume?(): void;
}

const handleOf = (socket: Socket): Handle | undefined =>
  (socket as Socket & { readonly _handle?: Handle | null })._handle ?? undefined;

/** The descriptor, or why there is none. */
export function socketFd(socket: Socket): SocketFd | string {
  if ("encrypted" in socket && socket.encrypted) return "TLS encrypts in the process";
  const handle = handleOf(socket);
  if (handle === undefined) return "the socket has no handle";
  const { fd } = handle;
  return typeof fd === "number" && fd >= 0 ? { fd } : "the socket's handle shows no descriptor";
}

/** Stops Bun from reading the socket. */
export function stopReading(socket: Socket): () => void {
  const handle = handleOf(socket);
  handle?.pause?.();
  return () => handle?.resume?.();
}
