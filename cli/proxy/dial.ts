/** Connects to an upstream. */
import { connect, type Socket } from "node:net";
import type { Address } from "../address.ts";

/** Of both sides: after a minute of silence, a peer that is gone without a word is found out (tcp(7)). */
export const keepAlive = { keepAlive: true, keepAliveInitialDelay: 60_000, noDelay: true } as const;

/** Codes that speak of this process or machine, and not of the upstream. */
const ownFaults: ReadonlySet<string> = new Set(["EMFILE", "ENFILE", "ENOMEM", "ENOBUFS", "EADDRNOTAVAIL"]);

export const isOwnFault = (code: string | undefined): boolean => code !== undefined && ownFaults.has(code);

/** A connection of which nothing has been read. Rejects with the system's error; ETIMEDOUT where it takes too long. */
export function dial(address: Address, timeoutMs: number): Promise<Socket> {
  const socket = connect({ ...address, ...keepAlive, allowHalfOpen: true });
  // Some upstreams speak first.
  socket.pause();
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => {
      stop();
      // Its own time-out may follow.
      socket.on("error", () => undefined);
      socket.destroy();
      reject(error);
    };
    const timer = setTimeout(() => {
      fail(Object.assign(new Error(`no answer within ${timeoutMs / 1000} s`), { code: "ETIMEDOUT" }));
    }, timeoutMs);
    const done = () => {
      stop();
      resolve(socket);
    };
    const closed = () => fail(Object.assign(new Error("closed"), { code: "ECONNABORTED" }));
    const stop = () => {
      clearTimeout(timer);
      socket.off("connect", done).off("error", fail).off("close", closed);
    };
    socket.on("connect", done).on("error", fail).on("close", closed);
  });
}
