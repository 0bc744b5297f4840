/** One client: its requests are begun as they come and answered in their order. */
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { Report } from "sluice";
import { type Context, type Continue, limits, type Part } from "./api.ts";
import { apis, apiVersions } from "./apis/all.ts";
import { type RequestMemory, requestsOf } from "./requests.ts";
import { ProtocolError, Reader } from "./wire.ts";

export interface Shared extends Pick<Context, "topics" | "groups" | "committed"> {
  readonly memory: RequestMemory;
  /** A client that takes nothing and sends nothing for that long is not waited for. */
  readonly idleMs: number;
  /** Told of every range of the log that was sent. */
  readonly onReport: (report: Report) => void;
}

/** Reads the head of a request and begins it. */
function begin(request: Buffer, context: Omit<Context, "version">): { correlation: number; proceed: Continue } {
  const reader = new Reader(request);
  reader.int32(); // Its length.
  const [key, version, correlation] = [reader.int16(), reader.int16(), reader.int32()];
  reader.nullableString(); // The client's name.
  const api = apis.get(key);
  // As in Kafka: only ApiVersions has an answer for versions that nobody knows.
  if (api === undefined || version < api.min || (version > api.max && api !== apiVersions))
    throw new ProtocolError(`a request of api ${key}, version ${version}`);
  return { correlation, proceed: api.begin(reader, { ...context, version }) };
}

function write(socket: Socket, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}

/** An answer: its length, whose request it is for, and its parts: ours by write(2), the log's by `transferTo()`. */
async function answer(
  socket: Socket,
  correlation: number,
  parts: readonly Part[],
  onReport: Shared["onReport"],
): Promise<void> {
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
    if ((await part.segment.send(part, socket, onReport)) < part.length) throw new Error("a segment was cut");
  }
  if (pending.length > 0) await write(socket, pending);
}

/** Serves a client until it goes. @throws ProtocolError, or whatever ended the connection */
export async function serve(socket: Socket, { memory, idleMs, onReport, ...shared }: Shared): Promise<void> {
  const closed = new AbortController();
  socket.once("close", () => closed.abort());
  const { localAddress = "", localPort: port = 0 } = socket;
  const context = { ...shared, host: localAddress.replace(/^::ffff:/, ""), port, closed: closed.signal };
  let waiting = 0;
  let isSending = false;
  // While a request waits for us, in a long poll, silence is no fault of the client's.
  socket.setTimeout(idleMs).on("timeout", () => {
    if (waiting === 0 || isSending) socket.destroy();
  });
  const drop = () => {
    console.error("requests that have not ended take too much memory: the connection of the oldest is closed");
    socket.destroy();
  };
  let last = Promise.resolve();
  for await (const request of requestsOf(socket, memory, drop)) {
    const { correlation, proceed } = begin(request, context);
    const release = memory.hold(request.length);
    waiting++;
    const respond = async () => {
      const parts = await proceed();
      isSending = true;
      if (parts !== undefined) await answer(socket, correlation, parts, onReport);
      isSending = false;
    };
    // Nothing after an answer that failed can be sent, but what was begun takes its memory until it is done.
    const abandon = async (error: unknown) => {
      await proceed();
      throw error;
    };
    last = last.then(respond, abandon).finally(() => {
      release();
      waiting--;
    });
    last.catch((error: Error) => socket.destroy(error)); // Which ends the loop, too.
    if (waiting >= limits.waitingRequests || memory.isTight) await last;
  }
  await last;
  socket.end();
}
