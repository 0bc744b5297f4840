/** What Node, Bun and Deno keep alike under a socket of node:net: a handle in `_handle`, an implementation detail. */
import type { Socket } from "node:net";
import { shadow } from "../support/shadow.ts";

/** The handle, as far as the runtime at hand gives it these properties. */
export interface SocketHandle {
  readonly fd?: unknown;
  /** Deno's: a duplicate, meant for passing a socket to a child. */
  fdForIpc?(): unknown;
  /** libuv's, and Deno's after its example. */
  readonly reading?: boolean;
  readStart?: () => unknown;
  readStop?(): number;
  /** Where TCP can be reset. */
  reset?(): unknown;
  /** Bun's. */
  terminate?(): unknown;
  pause?: () => unknown;
  resume?: () => unknown;
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

/** How a kind of handle is driven. */
interface Drive {
  readonly stop: "readStop" | "pause";
  readonly start: "readStart" | "resume";
  /** Whether a handle that is let go is to read. */
  goesOn(handle: SocketHandle): boolean;
}

interface Hold {
  count: number;
  undo(): void;
}

/**
 * Makes what keeps a handle from reading, whatever starts it meanwhile: Node and Bun do after 'connect', and users call
 * resume() or read(). What that answers lets the handle go.
 */
export function holder({ stop, start, goesOn }: Drive): (socket: Socket) => () => void {
  const holds = new WeakMap<SocketHandle, Hold>();
  const hold = (handle: SocketHandle): Hold => {
    handle[stop]?.();
    return { count: 0, undo: shadow(handle, start, () => 0) };
  };
  return (socket) => {
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
      if (goesOn(handle) && handleOf(socket) === handle) handle[start]?.();
    };
  };
}

/** For handles of libuv's kind: who starts one says so in `reading`. */
export const holdHandle = holder({ stop: "readStop", start: "readStart", goesOn: ({ reading }) => reading === true });

/**
 * Destroys a socket so that its peer sees a reset, where that is TCP. resetAndDestroy() would wait for one that is connecting,
 * whose peer may take it for connected already; before there is a descriptor nobody can.
 */
export function resetSocket(socket: Socket): void {
  const handle = handleOf(socket);
  const reset = (socket as Socket & { _reset?(): unknown })._reset;
  const isTcp = handle?.reset !== undefined || handle?.terminate !== undefined;
  // libuv refuses while a shutdown(2) is on its way (EINVAL), and Node then leaves the handle open.
  const isShutting = socket.writableEnded && !socket.writableFinished;
  if (!isTcp || socket.destroyed || isShutting) socket.destroy();
  else if (!socket.connecting) socket.resetAndDestroy();
  else if (reset !== undefined && Number(handle?.fd ?? -1) >= 0) reset.call(socket);
  else socket.destroy();
}
