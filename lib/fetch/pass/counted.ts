/** Bodies that no parser has counted, as streams of node:stream. */
import { Readable } from "node:stream";

async function* counted(body: ReadableStream<Uint8Array>, promised: number | undefined) {
  const reader = body.getReader();
  let isOver = false;
  let left = promised ?? Infinity;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      isOver = done;
      if (done) break;
      if (!(value instanceof Uint8Array)) throw new TypeError("The body of the Request has chunks that are no bytes");
      left -= value.length;
      if (left < 0) throw new RangeError(`The body of the Request has more than its Content-Length of ${promised}`);
      if (value.length > 0) yield value;
    }
    if (promised !== undefined && left > 0)
      throw new RangeError(`The body of the Request has ${left} bytes fewer than its Content-Length of ${promised}`);
  } finally {
    // What the body fails with has been thrown by a read.
    if (!isOver) reader.cancel().catch(() => undefined);
  }
}

/** @param promised what the head says: a body of another length fails */
export const countedBody = (body: ReadableStream<Uint8Array>, promised: number | undefined): Readable =>
  Readable.from(counted(body, promised), { objectMode: false });
