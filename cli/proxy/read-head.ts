/** Takes the head of the PROXY protocol off an accepted connection. */
import type { Socket } from "node:net";
import type { ProxiedConnection } from "./head.ts";
import { parseProxyHead } from "./protocol.ts";
import { codeOf } from "../../lib/support/system-error.ts";

/** A connection without a head that can be used. */
export class BadHead extends Error {}

/**
 * Reads the head and gives back what came after it. Resolves to whom it names; undefined where it names nobody.
 *
 * @throws BadHead
 */
export async function readHead(socket: Socket, timeoutMs: number): Promise<ProxiedConnection | undefined> {
  let read: Buffer = Buffer.alloc(0);
  let needed = 1;
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      socket.pause();
      socket.off("data", onData).off("end", onEnd).off("error", onError).off("close", onEnd);
    };
    const refuse = (reason: string) => {
      stop();
      reject(new BadHead(reason));
    };
    const timer = setTimeout(refuse, timeoutMs, `no head within ${timeoutMs / 1000} s`);
    const onEnd = () => refuse("it ended before its head");
    const onError = (error: Error) => refuse(codeOf(error) ?? error.message);
    const onData = (chunk: Buffer) => {
      read = read.length === 0 ? chunk : Buffer.concat([read, chunk]);
      if (read.length < needed) return;
      const head = parseProxyHead(read);
      if (head.state === "refused") return refuse(head.reason);
      if (head.state === "more") {
        needed = head.needed;
        return;
      }
      stop();
      // The first of what the proxy passes on.
      if (read.length > head.length) socket.unshift(read.subarray(head.length));
      resolve(head.connection);
    };
    socket.on("data", onData).on("end", onEnd).on("error", onError).on("close", onEnd).resume();
  });
}
