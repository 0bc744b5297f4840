/**
 * An http.ServerResponse or http.ClientRequest as a target. On Node its bytes go out on its connection, between two of the
 * socket's own writes, with the head and the frames that node:http would have given them; elsewhere, and where somebody
 * wants to see them, they are written to the message itself. It is not ended.
 */
import type { ClientRequest, OutgoingMessage, ServerResponse } from "node:http";
import type { Native } from "../../core/abi/abi.ts";
import type { TransferError } from "../../core/error.ts";
import { type Endpoint, endpoint } from "../../core/plan/endpoint.ts";
import type { Runtime } from "../runtime.ts";
import type { OutgoingSink } from "../streams/sinks/outgoing-sink.ts";
import { codeOf } from "../support/system-error.ts";
import { loadMessages } from "./message-knowledge.ts";
import { MessageTurn } from "./message-turn.ts";
import { targetClosed } from "./stream-ends.ts";
import type { Frames, TargetEnd } from "./target.ts";

type Message = OutgoingMessage & {
  readonly _hasBody?: boolean;
  readonly req?: ServerResponse["req"];
  readonly errored?: Error | null;
};

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

export class MessageTarget implements TargetEnd {
  readonly buffers = true;
  readonly isOpen = false;
  readonly #message: Message;
  readonly #runtime: Runtime;
  #sink: OutgoingSink | undefined;
  #roomOf: ((message: OutgoingMessage) => number | undefined) | undefined;
  #turn: MessageTurn | undefined;
  /** Why its bytes are written to the message itself, or undefined. */
  #plain: string | undefined;
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
    const known = await loadMessages();
    if (typeof known === "string") {
      this.#plain = known;
      return undefined;
    }
    const sink = known.messageSink(this.#message, this.#runtime);
    this.#roomOf = known.roomOf;
    this.#plain =
      sink === undefined
        ? "it is no response and no request of node:http"
        : ((await known.unproven(`file to ${sink.kind}`, this.#runtime)) ?? sink.objection());
    return sink;
  }

  /** Waits for its connection, and for what was written to it before. */
  async #takeTurn(): Promise<void> {
    const sink = await this.#know();
    if (sink === undefined || this.#plain !== undefined) return;
    const isThere = await (sink.ready(() => this.#over()) ?? true);
    if (this.#isOver) return;
    if (!isThere || this.#message.destroyed) throw this.#closed();
    // What is written in a tick is held back until the next.
    await nextTick();
    this.#plain = sink.objection() ?? (this.#isCorked(sink) ? "the target is corked" : undefined);
    if (this.#plain !== undefined || this.#isOver) return;
    this.#sink = sink;
    this.#forget = sink.onAborted(() => this.#onClose?.());
    this.#turn = new MessageTurn(this.#message, sink);
    await this.#turn.take();
  }

  #isCorked({ queue }: OutgoingSink): boolean {
    return this.#message.writableCorked > 0 || queue.writableCorked > 0;
  }

  inspect(native: Native | string): Endpoint {
    if (this.#message.destroyed) throw this.#closed();
    const plain = (withoutFd: string) =>
      endpoint({ kind: "stream", name: this.#kind, fd: false, withoutFd, ...this.#limits });
    const sink = this.#sink;
    if (this.#plain !== undefined || typeof native === "string") return plain(this.#plain ?? String(native));
    if (sink === undefined) return plain(`the ${this.#kind} has no connection yet`);
    const found = sink.open(native);
    if (typeof found === "string") return plain(found);
    return { ...found, name: this.#kind, ...this.#limits, announces: sink.framing.chunked };
  }

  /** A request is waited for until it is connected, as a socket is; nobody waits for a response's turn behind others. */
  async look({ native }: { readonly native: Native | string }): Promise<Endpoint> {
    const sink = this.#plain === undefined ? await this.#know() : undefined;
    if (sink === undefined || this.#plain !== undefined || typeof native === "string") return this.inspect(native);
    if (isResponse(this.#message) && this.#message.socket === null)
      return endpoint({ kind: "socket", name: this.#kind, ...this.#limits, announces: sink.framing.chunked });
    this.watch(() => this.#onOver?.());
    await sink.ready(() => this.#over());
    this.#plain = sink.objection();
    if (this.#plain === undefined) this.#sink = sink;
    return this.inspect(native);
  }

  #over(): Promise<void> {
    return new Promise((resolve) => (this.#onOver = resolve));
  }

  /** What the head promises, or would if it were rendered now. */
  get #room(): number | undefined {
    const message = this.#message;
    if (message.headersSent) return this.#roomOf?.(message);
    const length = Number(message.getHeader("content-length") ?? Number.NaN);
    return Number.isSafeInteger(length) && length >= 0 ? length : undefined;
  }

  get #limits(): Pick<Endpoint, "room" | "discards"> {
    return { room: this.#room, discards: this.#discards };
  }

  get #discards(): string | undefined {
    const message = this.#message;
    const isWithout =
      message._hasBody === false || (isResponse(message) && !message.headersSent && isBodiless(message.statusCode));
    return isWithout ? `this ${this.#kind} has no body` : undefined;
  }

  get frames(): Frames | undefined {
    return this.#turn;
  }

  get fd(): number | undefined {
    return this.#turn === undefined ? undefined : this.#sink?.fd;
  }

  release(): void {
    this.#sink?.release();
  }

  write(bytes: Uint8Array): Promise<number> {
    return this.#turn?.write(bytes) ?? this.#writePlainly(bytes);
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
    if (this.#turn !== undefined) this.#turn.end(broken);
    else {
      if (broken) message.destroy();
      this.#sink?.close();
    }
    // A message that has failed may tell of it only later in this turn of the event loop.
    if (!message.destroyed) message.off("error", this.#onError);
    return undefined;
  }
}
