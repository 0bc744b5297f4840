/** The two ways to send a range of a segment: in the kernel, and through JavaScript, to compare. */
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { Writable } from "node:stream";
import type { Send } from "./segment.ts";

/** Bytes sent, by what moved them. */
export type Totals = Map<string, number>;

function add(totals: Totals, name: string, bytes: number): void {
  totals.set(name, (totals.get(name) ?? 0) + bytes);
}

/** What the example is about. */
export function inKernel(totals: Totals): Send {
  return (channel, position, length, target) =>
    channel.transferTo(position, length, target, {
      onReport: ({ attempts }) => attempts.forEach(({ strategy, bytes }) => add(totals, strategy, bytes)),
    });
}

const chunkBytes = 256 * 1024;

/** What a server without it does. */
export function throughJavaScript(totals: Totals): Send {
  return async (channel, position, length, target) => {
    if (!(target instanceof Writable)) throw new TypeError("the target has to be a stream");
    let sent = 0;
    while (sent < length) {
      const buffer = Buffer.allocUnsafe(Math.min(chunkBytes, length - sent));
      const bytes = await channel.read(buffer, position + sent);
      if (bytes === 0) break;
      sent += bytes;
      if (!target.write(buffer.subarray(0, bytes))) await Promise.race([once(target, "drain"), once(target, "close")]);
      if (target.destroyed) throw new Error("the client has gone");
    }
    add(totals, "javascript", sent);
    return sent;
  };
}
