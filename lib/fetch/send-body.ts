/** Sends streams to responses of node:http. */
import process from "node:process";
import type { IncomingMessage, ServerResponse } from "node:http";
import { isBrotli, isDecodable, isIn, outermost } from "./coding.ts";
import { promisedLength, setHead } from "./head.ts";
import type { RequestEnd } from "./request-end.ts";

const isBun = process.versions["bun"] !== undefined;

/** The first chunks of a body, put aside to see what they are. */
class Beginning {
  readonly chunks: Uint8Array[] = [];
  isAll = false;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;

  constructor(reader: ReadableStreamDefaultReader<Uint8Array>) {
    this.#reader = reader;
  }

  /** Reads one chunk more, that has something in it. */
  async extend(): Promise<void> {
    const chunk = await readChunk(this.#reader);
    if (chunk === undefined) this.isAll = true;
    else this.chunks.push(chunk);
  }

  /** The whole body, in pieces. */
  async *all(): AsyncGenerator<Uint8Array, void, undefined> {
    for (const chunk of this.chunks) yield* piecesOf(chunk);
    while (!this.isAll) {
      const chunk = await readChunk(this.#reader);
      if (chunk === undefined) return;
      yield* piecesOf(chunk);
    }
  }

  /** The first chunk as a rule. */
  get bytes(): Uint8Array {
    const [first, ...others] = this.chunks;
    return first !== undefined && others.length === 0 ? first : Buffer.concat(this.chunks);
  }
}

/** Bytes of one write: a connection on which none is done in the time for that stands still. */
const pieceSize = 256 * 1024;

function* piecesOf(chunk: Uint8Array): Generator<Uint8Array, void, undefined> {
  for (let at = 0; at < chunk.length; at += pieceSize) yield chunk.subarray(at, at + pieceSize);
}

async function readChunk(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<Uint8Array | undefined> {
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return undefined;
    if (!(value instanceof Uint8Array)) throw new TypeError("The body of the Response has chunks that are no bytes");
    if (value.length > 0) return value;
  }
}

/** Bytes that isBrotli() looks at. */
const brotliPrefix = 4096;

/** Whether a body is in the coding that its head names. */
async function isAsCoded(answer: Response, beginning: Beginning): Promise<boolean> {
  const coding = outermost(answer.headers.get("content-encoding"));
  if (coding === "") return true;
  let verdict: boolean | undefined;
  while ((verdict = isIn(coding, beginning.bytes, beginning.isAll)) === undefined) await beginning.extend();
  // Brotli has no mark. An answer with a URL is fetch()'s own, and has been decoded, but where Bun was asked not to.
  if (verdict && coding === "br" && answer.url !== "")
    return isBun && isBrotli(beginning.bytes.subarray(0, brotliPrefix));
  return verdict;
}

/** Whether the head of an answer without a body is that of one that fetch() would have decoded. */
export const isAsCodedHead = ({ url, headers }: Response): boolean =>
  url === "" || !isDecodable(outermost(headers.get("content-encoding")));

/** A body that isn't what its head has promised. */
function misfit(promised: number | undefined, what: string): RangeError {
  return new RangeError(`The body of the Response has ${what} its Content-Length of ${promised}`);
}

/** Waits until an answer takes more, or is over. */
async function drained(response: ServerResponse, end: RequestEnd): Promise<void> {
  let forget = () => {};
  await new Promise<void>((resolve) => {
    response.once("drain", resolve);
    forget = end.add(resolve);
  });
  forget();
}

/** Ends a connection behind what an answer has written by now, when its turn has come. */
function endConnection({ httpVersionMajor, socket }: IncomingMessage, response: ServerResponse): void {
  // A stream of HTTP/2 ends alone.
  if (httpVersionMajor >= 2) return void response.end();
  // What was written before its turn is flushed after the event.
  const end = () => process.nextTick(() => socket.destroySoon());
  if (response.socket === null) response.once("socket", end);
  else end();
}

/**
 * Sends a body, and its head with the first bytes, when it is known whether that fits. What is more than the head has
 * promised doesn't leave; where it is less the connection is broken off by whoever hears of the error.
 *
 * @param body nobody reads it
 * @returns when all has been handed over, or the connection is gone; an error where there was more
 * @throws what the body fails with; RangeError where there was less
 */
export async function sendBody(
  message: IncomingMessage,
  response: ServerResponse,
  answer: Response,
  body: ReadableStream<Uint8Array>,
  end: RequestEnd,
): Promise<RangeError | undefined> {
  const reader = body.getReader();
  const cancel = () => void reader.cancel().catch(() => undefined);
  const forget = end.add(cancel);
  // A write that comes just after the connection has gone.
  response.on("error", cancel);
  try {
    const beginning = new Beginning(reader);
    await beginning.extend();
    const isCoded = await isAsCoded(answer, beginning);
    if (end.isPast) return undefined;
    const promised = isCoded ? promisedLength(answer.headers) : undefined;
    setHead(message, response, answer, { length: promised, isCoded });
    if (message.method === "HEAD") {
      cancel();
      response.end();
      return undefined;
    }
    let sent = 0;
    for await (const chunk of beginning.all()) {
      if (end.isPast) return undefined;
      const room = promised === undefined ? Infinity : promised - sent;
      const isTaken = room === 0 || response.write(chunk.subarray(0, room));
      sent += chunk.length;
      if (chunk.length > room) {
        endConnection(message, response);
        cancel();
        return misfit(promised, "more than");
      }
      if (!isTaken) await drained(response, end);
    }
    if (end.isPast) return undefined;
    if (promised !== undefined && sent < promised) {
      response.shouldKeepAlive = false;
      throw misfit(promised, `${sent} bytes, fewer than`);
    }
    response.end();
    return undefined;
  } catch (error) {
    cancel();
    throw error;
  } finally {
    forget();
    response.off("error", cancel);
  }
}
