/** The time-outs of one exchange with an upstream: each stage of it has its own. */
import type { ClientRequest, IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import { expired, type PassFailure } from "./failure.ts";
import { bodyOf } from "../../streams/body.ts";
import type { PassTimes } from "./options.ts";

export class PassClock {
  readonly #sent: ClientRequest;
  readonly #times: PassTimes;
  readonly #upstream: string;
  readonly #body: Readable | undefined;
  readonly #expire: (failure: PassFailure) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isConnected = false;
  #message: IncomingMessage | undefined;

  /**
   * @param body the request's, which may be on its way past the runtime
   * @param expire is told once, of the stage that took too long
   */
  constructor(
    sent: ClientRequest,
    times: PassTimes,
    upstream: string,
    body: Readable | undefined,
    expire: (failure: PassFailure) => void,
  ) {
    this.#body = body;
    this.#sent = sent;
    this.#times = times;
    this.#upstream = upstream;
    this.#expire = expire;
    this.#arm(times.connectTimeoutMs, "no connection");
    sent.once("finish", () => this.#await());
    sent.once("close", () => clearTimeout(this.#timer));
    sent.on("timeout", () => this.#idle());
  }

  #arm(ms: number, what: string): void {
    clearTimeout(this.#timer);
    if (ms > 0) this.#timer = setTimeout(() => this.#expire(expired(this.#upstream, what, ms)), ms);
  }

  /** @param isReused whether it was kept from another request */
  connecting(socket: Socket, isReused: boolean): void {
    const isEncrypted = "encrypted" in socket;
    if (isReused || !(isEncrypted || socket.connecting)) this.#connected();
    else socket.once(isEncrypted ? "secureConnect" : "connect", () => this.#connected());
  }

  #connected(): void {
    this.#isConnected = true;
    clearTimeout(this.#timer);
    if (this.#sent.writableFinished) this.#await();
    else this.#sent.setTimeout(this.#times.idleTimeoutMs);
  }

  /** Nothing is to move on the connection until the head is there. */
  #await(): void {
    if (!this.#isConnected || this.#message !== undefined) return;
    this.#sent.setTimeout(0);
    this.#arm(this.#times.headersTimeoutMs, "no head of an answer");
  }

  answered(message: IncomingMessage): void {
    this.#message = message;
    clearTimeout(this.#timer);
    this.#sent.setTimeout(this.#times.idleTimeoutMs);
  }

  /** Whether the upstream takes nothing of the request. */
  get #isStuck(): boolean {
    return this.#sent.writableNeedDrain || (this.#body !== undefined && bodyOf(this.#body)?.isWaitedFor === true);
  }

  #idle(): void {
    const ms = this.#times.idleTimeoutMs;
    const message = this.#message;
    // An agent has times of its own.
    if (ms === 0 || this.#sent.destroyed) return;
    if (message === undefined && this.#sent.writableFinished) return;
    if (message !== undefined && isWaitedFor(message)) return void this.#sent.setTimeout(ms);
    // With room in the request it is the client that sends nothing.
    if (message === undefined && !this.#isStuck)
      return this.#expire(expired(this.#upstream, "nothing came of the request", ms, 408));
    this.#expire(expired(this.#upstream, "nothing moved", ms));
  }
}

/** Whether there are bytes that nobody has asked for yet: then it is not the upstream that stands still. */
const isWaitedFor = (message: IncomingMessage): boolean =>
  message.complete || message.isPaused() || message.readableLength > 0 || bodyOf(message)?.isWaitedFor === true;
