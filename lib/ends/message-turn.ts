/** The turn of a transfer in a message of node:http: its write lock, the message's head, and the frames of what goes past it. */
import type { OutgoingMessage } from "node:http";
import { TransferError } from "../../core/error.ts";
import type { OutgoingSink } from "../streams/sinks/outgoing-sink.ts";
import { ignore, targetClosed } from "./stream-ends.ts";
import type { Frames } from "./target.ts";
import { lockWrites, type WriteLock } from "./write-lock.ts";

/** Who writes to a message before its first byte is certain goes first; nobody does so for ever. */
const mostTurns = 100;

export class MessageTurn implements Frames {
  readonly #message: OutgoingMessage;
  readonly #sink: OutgoingSink;
  #lock: WriteLock | undefined;
  /** Whether the head is rendered. */
  #begun = false;
  /** Bytes of a chunk that has been announced that are still to come. */
  #owed = 0;
  #isOver = false;

  constructor(message: OutgoingMessage, sink: OutgoingSink) {
    this.#message = message;
    this.#sink = sink;
  }

  /** Waits for what was written before. */
  take(): Promise<void> {
    return new Promise((resolve, reject) => {
      lockWrites(
        this.#sink.queue,
        (lock) => {
          if (this.#isOver) return lock.release();
          this.#lock = lock;
          this.#sink.framing.look();
          resolve();
        },
        reject,
      );
    });
  }

  async announce(wanted: number): Promise<number> {
    await this.#begin();
    if (this.#owed > 0) return Math.min(wanted, this.#owed);
    const { framing, kind } = this.#sink;
    const length = Math.min(wanted, framing.unit);
    if (length > framing.room)
      throw new TransferError(
        `Cannot send to ${kind}: its Content-Length has room for ${framing.room} bytes, not for ${length}`,
        { code: "ERR_HTTP_CONTENT_LENGTH_MISMATCH", failed: "target" },
      );
    const head = framing.head(length);
    if (framing.unit < Infinity) this.#owed = length;
    if (head !== "") await this.#write(Buffer.from(head, "latin1"));
    return length;
  }

  /** Renders the head, as the first write would. */
  async #begin(): Promise<void> {
    const { framing } = this.#sink;
    for (let turns = 0; !this.#begun; turns++) {
      if (this.#message.destroyed) throw targetClosed("it is closed", "ERR_SLUICE_CLOSED");
      const objection = framing.commit();
      this.#begun = objection === undefined;
      if (this.#begun) framing.lookBack();
      else if (turns === mostTurns) throw targetClosed(String(objection), "ERR_SLUICE_UNSUPPORTED");
      else await this.#letGoFirst();
    }
  }

  /** Somebody else has written the head, which waits behind our lock. */
  #letGoFirst(): Promise<void> {
    this.#lock?.release();
    this.#lock = undefined;
    return this.take();
  }

  #write(bytes: Uint8Array): Promise<void> {
    if (this.#lock === undefined) throw new TypeError("A message was written to before its turn");
    return this.#lock.write(bytes);
  }

  /** What has gone past the socket. */
  sent(bytes: number): void {
    this.#sink.sent(bytes, 0);
    this.#pay(bytes);
  }

  #pay(bytes: number): void {
    if (this.#owed > 0) this.#owed -= bytes;
  }

  /** By the socket itself, which counts them. */
  async write(bytes: Uint8Array): Promise<number> {
    const length = await this.announce(bytes.byteLength);
    await this.#write(bytes.subarray(0, length));
    this.#sink.framing.sent(length, 0);
    this.#pay(length);
    return length;
  }

  /** Gives the turn back. A chunk that was announced can't be left short: whatever came next would be read as its rest. */
  end(broken: boolean): void {
    this.#isOver = true;
    if (broken || this.#owed > 0) this.#message.destroy();
    const tail = this.#message.destroyed ? "" : this.#sink.framing.tail();
    // A failure is told of by the message itself.
    if (tail !== "" && this.#lock !== undefined) this.#lock.write(Buffer.from(tail, "latin1")).catch(ignore);
    this.#sink.close();
    this.#lock?.release();
    this.#lock = undefined;
  }
}
