/** Bodies that no parser has counted, as streams of node:stream. */
import { Readable } from "node:stream";

async function* counted(reader: ReadableStreamDefaultReader<Uint8Array>, promised: number | undefined) {
  let left = promised ?? Infinity;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (!(value instanceof Uint8Array)) throw new TypeError("The body of the Request has chunks that are no bytes");
    left -= value.length;
    if (left < 0) throw new RangeError(`The body of the Request has more than its Content-Length of ${promised}`);
    if (value.length > 0) yield value;
  }
  if (promised !== undefined && left > 0)
    throw new RangeError(`The body of the Request has ${left} bytes fewer than its Content-Length of ${promised}`);
}

/** @param promised what the head says: a body of another length fails */
export function countedBody(body: ReadableStream<Uint8Array>, promised: number | undefined): Readable {
  const reader = body.getReader();
  const stream = Readable.from(counted(reader, promised), { objectMode: false });
  // A read may be waiting. What the body fails with has been told by a read.
  stream.once("close", () => void reader.cancel().catch(() => undefined));
  return stream;
}
