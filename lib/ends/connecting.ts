/** Waiting for a socket of node:net that is still connecting. */
import type { Socket } from "node:net";
import { TransferError } from "../../core/error.ts";

/** Resolves when it is connected; undefined where there is nothing to wait for. */
export function connected(socket: Socket): Promise<void> | undefined {
  if (!socket.connecting) return undefined;
  return new Promise((resolve, reject) => {
    const settle = (error?: Error) => {
      socket.off("connect", settle).off("error", settle).off("close", closed);
      if (error instanceof Error) reject(error);
      else resolve();
    };
    const closed = () =>
      settle(
        new TransferError("Cannot use socket: it was closed before it was connected", { code: "ERR_SLUICE_CLOSED" }),
      );
    socket.once("connect", settle).once("error", settle).once("close", closed);
  });
}
