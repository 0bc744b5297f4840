/** Bodies of messages of node:http as ordinary streams, behind which the message is found again while nobody has read them. */
import type { IncomingMessage } from "node:http";

export type MessageBody = ReadableStream<Uint8Array>;

export interface BodyTraits {
  /** Called when nobody wants the rest. */
  readonly onCancel?: () => void;
  /** What is held until the body is collected. */
  readonly kept?: unknown;
  /** What its reader is told of a failure. */
  readonly explain?: (message: IncomingMessage, error: unknown) => unknown;
}

/** What a stream pulls its bytes from. */
class BodySource {
  readonly message: IncomingMessage;
  readonly traits: BodyTraits;
  isTouched = false;
  #chunks: AsyncIterator<Uint8Array> | undefined;

  constructor(message: IncomingMessage, traits: BodyTraits) {
    this.message = message;
    this.traits = traits;
  }

  async pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    this.isTouched = true;
    const { message, traits } = this;
    try {
      // Without the option the connection would go with the rest of the body, and no answer could be sent.
      this.#chunks ??= message.iterator({ destroyOnReturn: false }) as AsyncIterator<Uint8Array>;
      const { value, done } = await this.#chunks.next();
      if (done !== true) return controller.enqueue(value);
      if (!isWhole(message)) throw brokenOff(message);
      controller.close();
    } catch (error) {
      throw traits.explain?.(message, error) ?? error;
    }
  }

  async cancel(): Promise<void> {
    this.isTouched = true;
    this.traits.onCancel?.();
    await this.#chunks?.return?.();
  }
}

/** The error of a message whose connection ended before it did. */
export function brokenOff(message: IncomingMessage): Error {
  return message.errored ?? Object.assign(new Error("aborted"), { code: "ECONNRESET" });
}

/** Whether a message that has ended has come to its own end. One of HTTP/2 ends, and is complete, where it is aborted, too. */
export const isWhole = (message: IncomingMessage): boolean => message.complete && !message.aborted;

const sources = new WeakMap<object, BodySource>();

/** Chunks are slices of the buffer that the connection is read into, so the stream isn't one of bytes, which would detach it. */
export function bodyOf(message: IncomingMessage, traits: BodyTraits = {}): MessageBody {
  const source = new BodySource(message, traits);
  const body: MessageBody = new ReadableStream<Uint8Array>(source, { highWaterMark: 0 });
  sources.set(body, source);
  return body;
}

/** The message behind a body that nobody has begun to read; undefined for others. */
export function messageBehind(body: ReadableStream): IncomingMessage | undefined {
  const source = sources.get(body);
  return source === undefined || source.isTouched || body.locked ? undefined : source.message;
}

/** Whether a body has been read, as far as that can be told. */
export const wasRead = (body: object): boolean => sources.get(body)?.isTouched === true;

/** Takes the message from behind its body, which nobody else can read from now on. */
export function takeMessage(body: ReadableStream): IncomingMessage | undefined {
  const message = messageBehind(body);
  if (message !== undefined) body.getReader();
  return message;
}
