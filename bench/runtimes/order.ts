/** What the senders of all runtimes share: their arguments, the line with the address, and the requests. */
import process from "node:process";

const [file = "", way = ""] = process.argv.slice(2);

export const order = { file, way } as const;

export function announce(port: number): void {
  console.log(`http://127.0.0.1:${port}`);
}

const requestBytes = 8;

/** The lengths asked for. A client awaits its body before it asks again, so requests come whole. */
export function requestsIn(chunk: Uint8Array): number[] {
  if (chunk.length % requestBytes !== 0) throw new Error(`${chunk.length} bytes are no whole requests`);
  const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  return Array.from({ length: chunk.length / requestBytes }, (_, i) =>
    Number(view.getBigUint64(i * requestBytes, true)),
  );
}

/** The way that was asked for. */
export function chosen<T>(ways: Readonly<Record<string, T>>): T {
  const found = ways[order.way];
  if (found === undefined) throw new Error(`There is no way ${order.way} to send a file`);
  return found;
}
