/** A message of node:http that goes out on a plain connection, as what a stream is piped to: a response, or a client's request. */
import type { OutgoingMessage } from "node:http";
import { Socket } from "node:net";
import type { Native } from "../../../core/abi/abi.ts";
import type { Endpoint } from "../../../core/plan/endpoint.ts";
import type { Runtime } from "../../runtime.ts";
import { type MessageInternals, messageInternals, socketInternals } from "../internals.ts";
import { replacedAnswering } from "../originals.ts";
import type { Counter } from "../socket-account.ts";
import { Framing } from "./framing.ts";
import type { Sink } from "./sink.ts";
import { SocketSink } from "./socket-sink.ts";

type Message = OutgoingMessage & MessageInternals;

type Kind = "response" | "request";

type Check = readonly [objects: (message: Message) => boolean, reason: (kind: Kind) => string];

const checks: readonly Check[] = [
  [(message) => message.destroyed || message.finished, (kind) => `the ${kind} has ended`],
  [(message) => replacedAnswering(message) !== undefined, (kind) => `the ${kind}'s write has been replaced`],
  [(message) => !message._hasBody, (kind) => `this ${kind} has no body`],
  [(message) => message.strictContentLength, () => "strictContentLength counts in JavaScript"],
];

/** Whether the message is what its connection sends now, and not behind another one (pipelining). */
function isFirst(message: OutgoingMessage): boolean {
  return message.socket !== null && socketInternals(message.socket)._httpMessage === message;
}

export abstract class OutgoingSink implements Sink {
  abstract readonly kind: Kind;
  readonly framing: Framing;
  readonly #message: Message;
  readonly #runtime: Runtime;
  #socket: SocketSink | undefined;

  constructor(message: OutgoingMessage, runtime: Runtime) {
    this.framing = new Framing(message);
    this.#message = messageInternals(message);
    this.#runtime = runtime;
  }

  protected get connection(): SocketSink {
    if (this.#socket === undefined) throw new TypeError(`A ${this.kind} was used before it had a connection`);
    return this.#socket;
  }

  get queue(): Socket {
    return this.connection.queue;
  }

  objection(): string | undefined {
    const { kind } = this;
    const message = this.#message;
    this.framing.look();
    for (const [objects, reason] of checks) if (objects(message)) return reason(kind);
    const { socket } = message;
    // A message gets its connection when it is its turn (pipelining, an agent's queue).
    if (socket === null) return undefined;
    if (!(socket instanceof Socket)) return `the ${kind}'s connection is not a socket of node:net`;
    if (!isFirst(message)) return `the ${kind} is not the first of its connection`;
    if (message.outputData.length > 0) return `the ${kind} still has output of its own`;
    this.#socket ??= new SocketSink(socket, this.#runtime);
    return this.#socket.objection();
  }

  abstract ready(cancelled: () => Promise<void>): Promise<boolean> | undefined;

  /** Waits for the message's connection; `watch` may say that there won't be one, and answers what stops it. */
  protected assigned(
    cancelled: Promise<void>,
    watch?: (never: () => void) => (() => void) | undefined,
  ): Promise<boolean> | undefined {
    const message = this.#message;
    if (message.socket !== null) return undefined;
    return new Promise((resolve) => {
      const settle = (isThere: boolean) => {
        message.off("socket", onSocket);
        forget?.();
        // What was written to the message before is flushed after the event.
        process.nextTick(resolve, isThere);
      };
      const onSocket = (socket: Socket) => {
        this.framing.enter(socket);
        settle(true);
      };
      message.once("socket", onSocket);
      const forget = watch?.(() => settle(false));
      void cancelled.then(() => settle(true));
    });
  }

  open(native: Native): Endpoint | string {
    return this.connection.open(native);
  }

  get fd(): number | undefined {
    return this.#socket?.fd;
  }

  release(): void {
    this.#socket?.release();
  }

  close(): void {
    this.#socket?.close();
    this.framing.close();
  }

  onAborted(callback: () => void): (() => void) | undefined {
    return this.#socket?.onAborted(callback);
  }

  begin(counter: Counter): void {
    this.framing.lookBack();
    this.connection.begin(counter);
  }

  sent(body: number, head: number): void {
    this.framing.sent(body, head);
    this.#socket?.sent(body, head);
  }
}
