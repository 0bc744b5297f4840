/** What goes around a stream's bytes in a response: its head, the frames of its chunks, and the account of what it has promised. */
import type { OutgoingMessage } from "node:http";
import { type MessageInternals, messageInternals } from "../internals.ts";
import { keepPromise, leftOf, promisedLength } from "./promised.ts";

/**
 * Bytes of a chunk (RFC 9112 §7.1). What a chunk promises has to come, whatever happens to the stream meanwhile;
 * what it costs is one turn of the event loop and a wake-up.
 */
const chunkBytes = 1024 * 1024;

const crlf = "\r\n";

export class Framing {
  readonly #response: OutgoingMessage & MessageInternals;
  /** What Content-Length still leaves; undefined before the head is rendered. */
  #room: number | undefined;
  /** What the connection had written before the response's first byte; undefined where that came before us. */
  #before: number | undefined;
  /** Bytes that have come past the response without anything else in between. */
  #passed = 0;
  /** Whether the head had been sent when it was looked at last. */
  #isSent = false;
  /** Whether nothing of the response had been sent before this stream. */
  #isFresh = false;
  #inChunk = false;

  constructor(response: OutgoingMessage) {
    this.#response = messageInternals(response) as OutgoingMessage & MessageInternals;
  }

  /** Notes whether the response's own head has gone: `commit` objects where that changes. */
  look(): void {
    this.#isSent = this.#response._headerSent;
  }

  /** To be called when the response gets its connection, before anything of it can have been written. */
  enter({ bytesWritten }: { readonly bytesWritten: number }): void {
    this.#before = bytesWritten;
  }

  /**
   * Renders the head as the first write would. To be called when at least one byte is certain to come, for a head can't be
   * taken back, and before `room` and `unit` are asked: the answer is why none may after all, or undefined.
   */
  commit(): string | undefined {
    const response = this.#response;
    // Its head waits behind this stream's write lock.
    if (response._headerSent !== this.#isSent) return "the response was written to meanwhile";
    if (response._header === null) response._implicitHeader();
    if (!response._hasBody) return "this response has no body";
    if (this.#room !== undefined) return undefined;
    this.#isFresh = !this.#isSent;
    this.#room = this.#isFresh ? (promisedLength(response) ?? Infinity) : this.#left();
    return undefined;
  }

  /** After a write of the application's own, it may be unknown how much of the promise is left. */
  #left(): number {
    if (this.#before !== undefined) keepPromise(this.#response, this.#before);
    return leftOf(this.#response);
  }

  /** Bytes that the head has promised and that are still to come; Infinity where it promised none. */
  get room(): number {
    return this.#room ?? Infinity;
  }

  /** Whether bytes go out in chunks. Before the head is rendered, the header that decides it is asked. */
  get chunked(): boolean {
    const response = this.#response;
    return response._header === null ? !response.hasHeader("content-length") : response.chunkedEncoding;
  }

  /** Most bytes that go out as a unit, whose length is announced and which can't be stopped half-way; Infinity where there are no units. */
  get unit(): number {
    return this.#response.chunkedEncoding ? chunkBytes : Infinity;
  }

  /** What has to be sent before the next unit, of that many bytes. */
  head(length: number): string {
    const response = this.#response;
    let head = response._headerSent ? "" : (response._header ?? "");
    response._headerSent = this.#isSent = true;
    if (response.chunkedEncoding) head += `${this.#inChunk ? crlf : ""}${length.toString(16)}${crlf}`;
    this.#inChunk = response.chunkedEncoding;
    return head;
  }

  /** What has to be sent when all units are complete. */
  tail(): string {
    const tail = this.#inChunk ? crlf : "";
    this.#inChunk = false;
    return tail;
  }

  sent(body: number, head: number): void {
    this.#passed += body + head;
    if (this.#room !== undefined) this.#room -= body;
  }

  /** Finds out what came before the response, while nothing else can have come in between. */
  lookBack(): void {
    const { socket } = this.#response;
    if (this.#isFresh && socket !== null) this.#before ??= socket.bytesWritten - this.#passed;
  }

  /** Nothing moves any more: what is still owed is looked after. */
  close(): void {
    // Most answers end like that: nothing is left to be looked after.
    if (this.#room === 0) return;
    this.lookBack();
    keepPromise(this.#response, this.#before);
  }
}
