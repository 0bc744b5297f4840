/** What Node, Bun and Deno keep alike under a socket of node:net: a handle in `_handle`, an implementation detail. */
import type { Socket } from "node:net";
import { shadow } from "./shadow.ts";

/** The handle, as far as the runtime at hand gives it these properties. */
export interface SocketHandle {
  readonly fd?: unknown;
  /** Deno's: a duplicate, meant for passing a socket to a child. */
  fdForIpc?(): unknown;
  /** libuv's, and Deno's after its example. */
  readonly reading?: boolean;
  readStart?: () => number;
  readStop?(): number;
  /** Where TCP can be reset. */
  reset?(): unknown;
  /** Bun's. */
  terminate?(): unknown;
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

/** Nothing starts these. */
const holds = new WeakMap<SocketHandle, { count: number; readonly undo: () => void }>();

function hold(handle: SocketHandle): { count: number; readonly undo: () => void } {
  handle.readStop?.();
  return { count: 0, undo: shadow(handle, "readStart", () => 0) };
}

/**
 * Keeps a handle of libuv's kind from reading, whatever starts it meanwhile: Node reads after 'connect', its users may call
 * resume() or read(). All of them say so in `reading`, by which it is started again when it is let go.
 */
export function holdHandle(socket: Socket): () => void {
  const handle = handleOf(socket);
  if (handle === undefined) return () => {};
  const held = holds.get(handle) ?? hold(handle);
  held.count += 1;
  holds.set(handle, held);
  let isOver = false;
  return () => {
    if (isOver) return;
    isOver = true;
    held.count -= 1;
    if (held.count > 0) return;
    holds.delete(handle);
    held.undo();
    if (handle.reading === true && handleOf(socket) === handle) handle.readStart?.();
  };
}
