/**
 * An http.ServerResponse or http.ClientRequest as a target. On Node its bytes go out on its connection, between two of the
 * socket's own writes, with the head and the frames that node:http would have given them; elsewhere, and where somebody
 * wants to see them, they are written to the message itself. It is not ended.
 */
import type { ClientRequest, OutgoingMessage, ServerResponse } from "node:http";
import type { Native } from "../../core/abi/abi.ts";
import { TransferError } from "../../core/error.ts";
import { type Endpoint, endpoint } from "../../core/plan/endpoint.ts";
import type { Runtime } from "../runtime.ts";
import type { OutgoingSink } from "../streams/sinks/outgoing-sink.ts";
import { codeOf } from "../support/system-error.ts";
import { ignore, targetClosed } from "./stream-ends.ts";
import type { Frames, TargetEnd } from "./target.ts";
import { lockWrites, type WriteLock } from "./write-lock.ts";

type Message = OutgoingMessage & {
  readonly _hasBody?: boolean;
  readonly req?: ServerResponse["req"];
  readonly errored?: Error | null;
};

/** Loaded when the first message comes: node:http is slow to load, and is there by then. */
const knowledge = (): Promise<typeof import("../streams/messages.ts")> => import("../streams/messages.ts");

/** By its shape: an `instanceof` would load node:http for all who import the package. */
export function isMessage(value: object): value is OutgoingMessage {
  return ["_implicitHeader", "setHeader", "write", "on"].every(
    (name) => typeof Reflect.get(value, name) === "function",
  );
}

const isResponse = (message: OutgoingMessage): message is ServerResponse => "statusCode" in message;

/** Statuses whose responses have no body (RFC 9110 §6.4.1). */
const isBodiless = (status: number): boolean => status === 204 || status === 304 || (status >= 100 && status < 200);

const nextTick = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve));

const writtenMeanwhile = "the head was sent by somebody else meanwhile, again and again";

/** Who writes to a message before its first byte is certain goes first; nobody does so for ever. */
const mostTurns = 100;

export class MessageTarget implements TargetEnd, Frames {
  readonly buffers = true;
  readonly isOpen = false;
  readonly #message: Message;
  readonly #runtime: Runtime;
  #sink: OutgoingSink | undefined;
  #roomOf: ((message: OutgoingMessage) => number | undefined) | undefined;
  #lock: WriteLock | undefined;
  /** Why its bytes are written to the message itself, or undefined. */
  #plain: string | undefined;
  #begun = false;
  /** Bytes of a chunk that has been announced that are still to come. */
  #owed = 0;
  #isOver = false;
  #onOver: (() => void) | undefined;
  #failure: Error | undefined;
  #onClose: (() => void) | undefined;
  #forget: (() => void) | undefined;
  readonly #onError = (error: Error) => (this.#failure ??= error);

  constructor(message: OutgoingMessage, runtime: Runtime) {
    this.#message = message;
    this.#runtime = runtime;
    this.#plain = runtime.unsupported.messages;
  }

  get #kind(): "response" | "request" {
    return isResponse(this.#message) ? "response" : "request";
  }

  refuse(): void {
    const message = this.#message;
    if (message.destroyed) throw this.#closed();
    if (message.writableEnded) throw targetClosed("it was ended before", "ERR_STREAM_WRITE_AFTER_END");
  }

  #closed(): TransferError {
    return targetClosed("it is closed", codeOf(this.#failure ?? this.#message.errored) ?? "ERR_SLUICE_CLOSED");
  }

  enter(): Promise<void> {
    this.refuse();
    this.#message.on("error", this.#onError);
    return this.#plain === undefined ? this.#takeTurn() : Promise.resolve();
  }

  /** Finds out whether its bytes can go out past it. */
  async #know(): Promise<OutgoingSink | undefined> {
    const { messageSink, roomOf, unproven } = await knowledge();
    const sink = messageSink(this.#message, this.#runtime);
    this.#roomOf = roomOf;
    this.#plain =
      sink === undefined
        ? "it is no response and no request of node:http"
        : ((await unproven(sink.kind, this.#runtime)) ?? sink.objection());
    return sink;
  }

  /** Waits for its connection, and for what was written to it before. */
  async #takeTurn(): Promise<void> {
    const sink = await this.#know();
    if (sink === undefined || this.#plain !== undefined) return;
    const over = () => new Promise<void>((resolve) => (this.#onOver = resolve));
    const isThere = await (sink.ready(over) ?? true);
    if (this.#isOver) return;
    if (!isThere || this.#message.destroyed) throw this.#closed();
    // What is written in a tick is held back until the next.
    await nextTick();
    this.#plain = sink.objection() ?? (this.#isCorked(sink) ? "the target is corked" : undefined);
    if (this.#plain !== undefined || this.#isOver) return;
    this.#sink = sink;
    this.#forget = sink.onAborted(() => this.#onClose?.());
    await this.#takeLock(sink);
  }

  #isCorked({ queue }: OutgoingSink): boolean {
    return this.#message.writableCorked > 0 || queue.writableCorked > 0;
  }

  #takeLock(sink: OutgoingSink): Promise<void> {
    return new Promise((resolve, reject) => {
      lockWrites(
        sink.queue,
        (lock) => {
          if (this.#isOver) return lock.release();
          this.#lock = lock;
          sink.framing.look();
          resolve();
        },
        reject,
      );
    });
  }

  inspect(native: Native | string): Endpoint {
    if (this.#message.destroyed) throw this.#closed();
    const limits = { room: this.#room, discards: this.#discards };
    const plain = (withoutFd: string) =>
      endpoint({ kind: "stream", name: this.#kind, fd: false, withoutFd, ...limits });
    const sink = this.#sink;
    if (this.#plain !== undefined || typeof native === "string") return plain(this.#plain ?? String(native));
    if (sink === undefined) return plain(`the ${this.#kind} has no connection yet`);
    const found = sink.open(native);
    if (typeof found === "string") return plain(found);
    return { ...found, name: this.#kind, ...limits, announces: sink.framing.chunked };
  }

  async look({ native }: { readonly native: Native | string }): Promise<Endpoint> {
    if (this.#plain !== undefined) return this.inspect(native);
    const sink = await this.#know();
    if (this.#plain !== undefined || sink === undefined) return this.inspect(native);
    // A request is given its connection soon after it was made; nobody waits behind others here.
    if (!isResponse(this.#message) && this.#message.socket === null) await nextTick();
    if (this.#message.socket !== null && !this.#message.socket.connecting && sink.objection() === undefined)
      this.#sink = sink;
    return this.inspect(native);
  }

  /** What the head promises, or would if it were rendered now. */
  get #room(): number | undefined {
    const message = this.#message;
    if (message.headersSent) return this.#roomOf?.(message);
    const length = Number(message.getHeader("content-length") ?? Number.NaN);
    return Number.isSafeInteger(length) && length >= 0 ? length : undefined;
  }

  get #discards(): string | undefined {
    const message = this.#message;
    const isWithout =
      message._hasBody === false || (isResponse(message) && !message.headersSent && isBodiless(message.statusCode));
    return isWithout ? `this ${this.#kind} has no body` : undefined;
  }

  get frames(): Frames | undefined {
    return this.#lock === undefined ? undefined : this;
  }

  get fd(): number | undefined {
    return this.#lock === undefined ? undefined : this.#sink?.fd;
  }

  release(): void {
    this.#sink?.release();
  }

  async announce(wanted: number): Promise<number> {
    const { framing } = await this.#begin();
    if (this.#owed > 0) return Math.min(wanted, this.#owed);
    const length = Math.min(wanted, framing.unit);
    if (length > framing.room)
      throw new TransferError(
        `Cannot send to ${this.#kind}: its Content-Length has room for ${framing.room} more bytes, not for ${length}`,
        { code: "ERR_HTTP_CONTENT_LENGTH_MISMATCH", failed: "target" },
      );
    const head = framing.head(length);
    if (framing.unit < Infinity) this.#owed = length;
    if (head !== "") await this.#lock?.write(Buffer.from(head, "latin1"));
    return length;
  }

  /** Renders the head, as the first write would. */
  async #begin(): Promise<OutgoingSink> {
    const sink = this.#sink;
    if (sink === undefined) throw new TypeError("A message was written to before it had a connection");
    for (let turns = 0; !this.#begun; turns++) {
      if (turns === mostTurns || this.#message.destroyed) throw targetClosed(writtenMeanwhile, "ERR_SLUICE_CLOSED");
      const objection = sink.framing.commit();
      this.#begun = objection === undefined;
      if (this.#begun) sink.framing.lookBack();
      else await this.#letGoFirst(sink);
    }
    return sink;
  }

  /** Somebody else has written the head, which waits behind our lock. */
  async #letGoFirst(sink: OutgoingSink): Promise<void> {
    this.#lock?.release();
    this.#lock = undefined;
    await this.#takeLock(sink);
  }

  sent(bytes: number): void {
    this.#sink?.sent(bytes, 0);
    if (this.#owed > 0) this.#owed -= bytes;
  }

  async write(bytes: Uint8Array): Promise<number> {
    if (this.#lock === undefined) return this.#writePlainly(bytes);
    const length = await this.announce(bytes.byteLength);
    await this.#lock.write(bytes.subarray(0, length));
    this.#sink?.framing.sent(length, 0);
    if (this.#owed > 0) this.#owed -= length;
    return length;
  }

  #writePlainly(bytes: Uint8Array): Promise<number> {
    return new Promise((resolve, reject) => {
      // Not every runtime and release calls back for a message whose connection has gone; its 'close' is heard.
      this.#message.write(bytes, (error) => (error ? reject(error) : resolve(bytes.byteLength)));
    });
  }

  watch(closed: (error?: unknown) => void): void {
    this.#onClose = () => closed(this.#failure ?? this.#message.errored);
    this.#message.once("close", this.#onClose);
  }

  touch(): void {
    // Setting the same time-out again starts it anew.
    const { timeout } = this.#message.socket ?? {};
    if (timeout !== undefined && timeout > 0) this.#message.socket?.setTimeout(timeout);
  }

  get idleTimeoutMs(): number {
    return this.#message.socket?.timeout ?? 0;
  }

  end(broken: boolean): undefined {
    const message = this.#message as ServerResponse | ClientRequest;
    this.#isOver = true;
    this.#onOver?.();
    if (this.#onClose !== undefined) message.off("close", this.#onClose);
    this.#forget?.();
    const tail = this.#owed === 0 ? (this.#sink?.framing.tail() ?? "") : "";
    // A failure is told of by the message itself.
    if (tail !== "" && !broken) this.#lock?.write(Buffer.from(tail, "latin1")).catch(ignore);
    // A chunk that was announced can't be left short: whatever came next would be read as its rest.
    if (broken || this.#owed > 0) message.destroy();
    this.#sink?.close();
    this.#lock?.release();
    this.#lock = undefined;
    // A message that has failed may tell of it only later in this turn of the event loop.
    if (!message.destroyed) message.off("error", this.#onError);
    return undefined;
  }
}
