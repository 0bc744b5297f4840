/** One client: requests cut out of what it sends, begun as they come, answered in their order. */
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { type Context, type Continue, mostBytes, type Part } from "./api.ts";
import { apis, apiVersionsKey } from "./apis/all.ts";
import type { Send } from "./segment.ts";
import { ProtocolError, Reader } from "./wire.ts";

/** What of a connection may wait for its answer before no more of it is read. */
const mostWaiting = { requests: 100, bytes: mostBytes.request } as const;
/** As Kafka's connections.max.idle.ms. Progress of a slow reader counts. */
const idleMs = 600_000;

export type Shared = Pick<Context, "topics" | "groups" | "committed">;

/** Cuts what a client sends into requests. */
async function* requestsOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let held: Buffer[] = [];
  let bytes = 0;
  let wanted = 4;
  for await (const chunk of chunks) {
    held.push(chunk);
    bytes += chunk.length;
    // Joined when there is enough for something, not at every chunk.
    if (bytes < wanted) continue;
    let rest = held.length === 1 ? chunk : Buffer.concat(held);
    for (wanted = 4; rest.length >= wanted; wanted = 4) {
      const length = rest.readInt32BE(0);
      if (length < 0 || length > mostBytes.request) throw new ProtocolError(`a request of ${length} bytes`);
      wanted += length;
      if (rest.length < wanted) break;
      yield rest.subarray(4, wanted);
      rest = rest.subarray(wanted);
    }
    held = rest.length > 0 ? [rest] : [];
    bytes = rest.length;
  }
  if (bytes > 0) throw new ProtocolError("the connection ended within a request");
}

/** Reads the head of a request and begins it. */
function begin(request: Buffer, context: Omit<Context, "version">): { correlation: number; proceed: Continue } {
  const reader = new Reader(request);
  const [key, version, correlation] = [reader.int16(), reader.int16(), reader.int32()];
  reader.nullableString(); // The client's name.
  const api = apis.get(key);
  // As in Kafka: only ApiVersions has an answer for versions that nobody knows.
  if (api === undefined || version < api.min || (version > api.max && key !== apiVersionsKey))
    throw new ProtocolError(`a request of api ${key}, version ${version}`);
  return { correlation, proceed: api.begin(reader, { ...context, version }) };
}

function write(socket: Socket, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}

/** An answer: its length, whose request it is for, and its parts: ours by write(2), the log's by whatever `send` does. */
async function answer(socket: Socket, correlation: number, parts: readonly Part[], send: Send): Promise<void> {
  const head = Buffer.alloc(8);
  head.writeInt32BE(parts.reduce((sum, { length }) => sum + length, 4));
  head.writeInt32BE(correlation, 4);
  let pending = head;
  for (const part of parts) {
    if (Buffer.isBuffer(part)) {
      pending = Buffer.concat([pending, part]);
      continue;
    }
    await write(socket, pending);
    pending = Buffer.alloc(0);
    // Fewer than were promised: only the end of the connection can tell.
    if ((await part.segment.send(part, socket, send)) < part.length) throw new Error("a segment was cut");
  }
  if (pending.length > 0) await write(socket, pending);
}

/** Serves a client until it goes. @throws ProtocolError, or whatever ended the connection */
export async function serve(socket: Socket, shared: Shared, send: Send): Promise<void> {
  const closed = new AbortController();
  socket.once("close", () => closed.abort());
  socket.setTimeout(idleMs, () => socket.destroy());
  const { localAddress = "", localPort: port = 0 } = socket;
  const host = localAddress.replace(/^::ffff:/, "");
  const waiting = { requests: 0, bytes: 0 };
  let last = Promise.resolve();
  for await (const request of requestsOf(socket)) {
    const { correlation, proceed } = begin(request, { ...shared, host, port, closed: closed.signal });
    waiting.requests++;
    waiting.bytes += request.length;
    last = last.then(async () => {
      const parts = await proceed();
      if (parts !== undefined) await answer(socket, correlation, parts, send);
      waiting.requests--;
      waiting.bytes -= request.length;
    });
    // Nothing after an answer that failed can be sent; the loop ends with the socket.
    last.catch((error: Error) => socket.destroy(error));
    if (waiting.requests >= mostWaiting.requests || waiting.bytes >= mostWaiting.bytes) await last;
  }
  await last;
  socket.end();
}
