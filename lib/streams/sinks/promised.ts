/**
 * What a response has promised by its Content-Length, and what of that has come, by whatever way: the file, several
 * of them, the app, in any order. A stream owes its own range alone; that a response is short shows when it ends, and
 * then its connection ends too, or the next answer's head would be read as this one's body.
 */
import type { OutgoingMessage } from "node:http";
import { Socket } from "node:net";
import { slot } from "../../support/slot.ts";
import { type MessageInternals, messageInternals } from "../internals.ts";

type Message = OutgoingMessage & MessageInternals;

const promises = slot<Promised>();

/** The length of the body that the head promises; undefined: none. */
export function promisedLength(message: MessageInternals): number | undefined {
  const { _header, _hasBody, _contentLength: length, _removedContLen, chunkedEncoding } = message;
  const isPromised = _header !== null && _hasBody && !chunkedEncoding && !_removedContLen;
  return isPromised && length !== null && Number.isSafeInteger(length) ? length : undefined;
}

/** Whether a length is promised, or will be when the head is rendered. */
function mayPromise(response: Message): boolean {
  return response._header === null ? response.hasHeader("content-length") : promisedLength(response) !== undefined;
}

class Promised {
  readonly #response: Message;
  /** What the connection had written before the response's first byte; undefined where that was not looked at by then. */
  #before: number | undefined;

  constructor(response: Message, before: number | undefined) {
    this.#response = response;
    this.#before = before;
    if (before === undefined && response.socket === null)
      response.once("socket", (socket: Socket) => (this.#before = socket.bytesWritten));
    // Before the server's own listener, which gives the connection to the next answer.
    response.prependOnceListener("finish", () => this.#check());
  }

  /** Bytes of the body that have come; where that was not looked at in time, what other answers may have written counts too. */
  get #written(): number {
    const { socket, _header } = this.#response;
    return socket === null ? 0 : socket.bytesWritten - (this.#before ?? 0) - (_header?.length ?? 0);
  }

  /** Bytes of the body that are still to come; Infinity where that can't be told. */
  get left(): number {
    const length = promisedLength(this.#response);
    return length === undefined || this.#before === undefined ? Infinity : Math.max(0, length - this.#written);
  }

  #check(): void {
    const { socket } = this.#response;
    const length = promisedLength(this.#response);
    if (socket instanceof Socket && length !== undefined && this.#written < length) socket.destroySoon();
  }
}

/** What a response that is looked after has still to send; Infinity where it promised nothing, or is not looked after. */
export function leftOf(response: OutgoingMessage): number {
  return promises.get(response)?.left ?? Infinity;
}

/**
 * Sees to it that the response keeps what it promises, or that its connection ends.
 *
 * @param before what its connection had written before its first byte; undefined: to be found out
 */
export function keepPromise(response: OutgoingMessage, before?: number): void {
  const message = messageInternals(response) as Message;
  if (promises.get(response) !== undefined || !mayPromise(message)) return;
  const { socket, _headerSent } = message;
  promises.set(response, new Promised(message, before ?? (_headerSent ? undefined : socket?.bytesWritten)));
}
