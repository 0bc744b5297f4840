/** What send and receive ask of a TCP connection. */
import type { Socket } from "node:net";

/** Breaks a connection so that the other side can tell it from a clean end. */
export function reset(socket: Socket): void {
  // resetAndDestroy() of a socket that is still connecting would wait for the connection first.
  if (socket.connecting) socket.destroy();
  else socket.resetAndDestroy();
}

/**
 * Whether a connection of which everything has been read was reset rather than ended. libuv takes a reset
 * that comes along with the last bytes for their end; getpeername(2) still knows, since Linux answers
 * ENOTCONN for a connection that is no more. To be asked once, before the socket is destroyed.
 */
export function wasReset(socket: Socket): boolean {
  return socket.remotePort === undefined;
}
