/** What Node, Bun and Deno keep alike under a socket of node:net: a handle in `_handle`, an implementation detail. */
import type { Socket } from "node:net";

/** The handle, as far as the runtime at hand gives it these properties. */
export interface SocketHandle {
  readonly fd?: unknown;
  /** Deno's: a duplicate, meant for passing a socket to a child. */
  fdForIpc?(): unknown;
  /** libuv's, and Deno's after its example. */
  reading?: boolean;
  readStart?(): number;
  readStop?(): number;
  /** Bun's. */
  pause?(): void;
  resume?(): void;
}

export function handleOf(socket: Socket): SocketHandle | undefined {
  return (socket as Socket & { readonly _handle?: SocketHandle | null })._handle ?? undefined;
}

/** Asks the handle for its descriptor: the number, or why there is none. */
export function findFd(socket: Socket, ask: (handle: SocketHandle) => unknown): number | string {
  if ("encrypted" in socket && socket.encrypted) return "TLS encrypts in the process";
  const handle = handleOf(socket);
  if (handle === undefined) return "the socket has no handle";
  const fd = ask(handle);
  return typeof fd === "number" && fd >= 0 ? fd : "the socket's handle shows no descriptor";
}

/** What undoes the stopping of a handle that did not read. */
export const stayStill = (): void => {};

/**
 * Stops a handle of libuv's kind from reading, past the stream: `pause()` would let one more chunk in. The stream
 * believes that its read is still under way, so it is the handle, not the stream, that is started again.
 */
export function stopHandle(socket: Socket): () => void {
  const handle = handleOf(socket);
  const wasReading = handle?.reading ?? false;
  if (handle !== undefined) {
    handle.reading = false;
    handle.readStop?.();
  }
  if (handle === undefined || !wasReading) return stayStill;
  return () => {
    handle.reading = true;
    handle.readStart?.();
  };
}

/** Remembers whether a handle of libuv's kind reads; the answer makes it read again where that has changed. */
export function keepReading(socket: Socket): () => void {
  const handle = handleOf(socket);
  const wasReading = handle?.reading ?? false;
  return () => {
    if (handle === undefined || !wasReading || handle.reading === true) return;
    handle.reading = true;
    handle.readStart?.();
  };
}
