/**
 * Whether a runtime has anything in hand: bytes that it has read from a socket and not given to what the socket is piped
 * to. A stream's buffer alone doesn't show them: Node keeps a chunk in a local variable while it asks for the next
 * (26.12's flowSync(), every read()), and a hand-over that began then would overtake it.
 */
import { WriteStream } from "node:fs";
import { Socket } from "node:net";
import type { Writable } from "node:stream";

/** Why a socket is not handed over whose ledger is not even. */
export const uneven = "the target was given more or less than was read";

/** Bytes that the socket's consumers have been given, or are about to be. */
const consumed = (socket: Socket): number => socket.bytesRead - socket.readableLength;

/** Bytes that have been written to a target, whether they have left or not; NaN where it doesn't count them. */
function given(target: Writable): number {
  if (target instanceof Socket) return target.bytesWritten;
  if (target instanceof WriteStream) return target.bytesWritten + target.writableLength;
  return Number.NaN;
}

export class Ledger {
  readonly #socket: Socket;
  readonly #target: Writable;
  readonly #consumed: number;
  readonly #given: number;

  /** To be opened as the socket is piped to the target. */
  constructor(socket: Socket, target: Writable) {
    this.#socket = socket;
    this.#target = target;
    this.#consumed = consumed(socket);
    this.#given = given(target);
  }

  isFor(target: Writable): boolean {
    return this.#target === target;
  }

  /** Whether the target has been given all that the socket's handle has read since then, and nothing else. */
  get isEven(): boolean {
    const gone = consumed(this.#socket) - this.#consumed;
    return this.#socket.readableLength === 0 && gone === given(this.#target) - this.#given;
  }
}
