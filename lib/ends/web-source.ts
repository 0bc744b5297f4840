/** ReadableStreams as sources, such as the body of a Request. */
import type { IncomingMessage } from "node:http";
import * as streams from "node:stream";
import type { Native } from "../../core/abi/abi.ts";
import { argumentError, shown, TransferError } from "../../core/error.ts";
import { type Endpoint, endpoint } from "../../core/plan/endpoint.ts";
import type { ReadableStreamLike } from "../api.ts";
import { brokenOff, isWhole, messageBehind, takeMessage, wasRead } from "./message-body.ts";
import type { SourceEnd } from "./source.ts";
import { ignore } from "./stream-ends.ts";

/** Where the types, and runtimes, know it. */
const { isDisturbed } = streams as { readonly isDisturbed?: (value: object) => boolean };

function inUse(how: string): TransferError {
  return new TransferError(`Cannot send body: ${how} (ERR_INVALID_STATE)`, { code: "ERR_INVALID_STATE" });
}

export class WebSource implements SourceEnd {
  readonly #stream: ReadableStreamLike;
  #reader: ReturnType<ReadableStreamLike["getReader"]> | undefined;
  /** What is left of a chunk that was longer than asked for. */
  #rest: Uint8Array | undefined;
  /** Whether others have read before us: then an end at once isn't that of an empty body. */
  #wasRead = false;
  #isOver = false;

  constructor(stream: ReadableStreamLike) {
    this.#stream = stream;
  }

  open(): undefined {
    if (this.#stream.locked) throw inUse("it is being read by others, or was");
    this.#wasRead = wasRead(this.#stream) || isDisturbed?.(this.#stream) === true;
    this.#reader = this.#stream.getReader();
    return undefined;
  }

  inspect(_native: Native | string): Endpoint {
    return endpoint({ kind: "stream", name: "stream", fd: false, withoutFd: "the source is a stream of JavaScript" });
  }

  async read(max: number): Promise<Uint8Array | undefined> {
    const chunk = this.#rest ?? (await this.#next());
    this.#rest = chunk !== undefined && chunk.byteLength > max ? chunk.subarray(max) : undefined;
    return chunk?.subarray(0, max);
  }

  async #next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const read = await this.#reader?.read();
      if (read === undefined || read.done) {
        if (this.#wasRead && !this.#isOver) throw inUse("it has been read to its end before");
        this.#isOver = true;
        return undefined;
      }
      this.#wasRead = false;
      const { value } = read;
      if (!(value instanceof Uint8Array))
        throw argumentError("ERR_INVALID_ARG_VALUE", `source stream must give bytes, got ${shown(value)}`);
      if (value.byteLength > 0) return value;
    }
  }

  /** It stays locked: what is left belongs to nobody, and is cancelled. */
  end(_broken: boolean): undefined {
    const isOver = this.#isOver;
    this.#isOver = true;
    // What it fails with has been told by a read, or is of no interest to a transfer that is over.
    if (!isOver) this.#reader?.cancel().catch(ignore);
    return undefined;
  }
}

/** A source that is read from the message of node:http behind a body, which is locked when that begins. */
function throughMessage(body: ReadableStream, message: IncomingMessage, source: SourceEnd): SourceEnd {
  const open = source.open?.bind(source);
  const read = source.read.bind(source);
  source.open = () => {
    if (takeMessage(body) === undefined) throw inUse("it is being read by others, or was");
    return open?.();
  };
  source.read = async (max, offset) => {
    const chunk = await read(max, offset);
    if (chunk === undefined && message.readableEnded && !isWhole(message)) throw brokenOff(message);
    return chunk;
  };
  return source;
}

/** @param streamSource what makes a source of the message, whose descriptor may be had */
export function webSource(value: ReadableStream, streamSource: (message: streams.Readable) => SourceEnd): SourceEnd {
  const message = messageBehind(value);
  return message === undefined ? new WebSource(value) : throughMessage(value, message, streamSource(message));
}
