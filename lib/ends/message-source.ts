/**
 * An http.IncomingMessage as a source. What the runtime has read of its body goes first; on Node the engine then takes most of the
 * rest from its connection, and the runtime reads the end of the body by itself. Elsewhere, and where that can't be or
 * doesn't pay, it is a stream like others.
 */
import type { IncomingMessage } from "node:http";
import type { Native } from "../../core/abi/abi.ts";
import { bodyLength, leastBodyBytes } from "../../core/body.ts";
import type { Endpoint } from "../../core/plan/endpoint.ts";
import type { Runtime } from "../runtime.ts";
import type { Followed } from "../streams/messages.ts";
import { loadMessages } from "./message-knowledge.ts";
import type { Counter, SourceEnd, Surroundings } from "./source.ts";
import { StreamSource } from "./stream-ends.ts";

/** By its shape: an `instanceof` would load node:http for all who import the package. */
export function isIncoming(value: object): value is IncomingMessage {
  return ["rawHeaders", "httpVersion", "socket", "complete"].every((name) => name in value);
}

/** Why a body goes the runtime's own way whatever its connection is, or undefined. */
function objectionTo(message: IncomingMessage): string | undefined {
  const length = bodyLength(message.rawHeaders) ?? "the message tells no length of its body";
  if (typeof length === "string") return length;
  if (length < leastBodyBytes.file) return "the body is too small";
  if (message.readableDidRead) return "the body has been read in part";
  return message.listenerCount("data") + message.listenerCount("readable") > 0
    ? "somebody else reads the body"
    : undefined;
}

/** In a turn of its own: a parser is in the middle of its bytes while it tells of them. */
const afterParser = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export class MessageSource extends StreamSource implements SourceEnd {
  readonly #message: IncomingMessage;
  readonly #runtime: Runtime;
  /** Why it is read as a stream, or undefined. */
  #plain: string | undefined;
  #followed: Followed | undefined;
  /** Whether the runtime is kept from reading its connection. */
  #isHeld = false;
  #isEnded = false;
  #onClose: (() => void) | undefined;

  constructor(message: IncomingMessage, runtime: Runtime) {
    super(message);
    this.#message = message;
    this.#runtime = runtime;
    this.#plain = runtime.unsupported.messages ?? objectionTo(message);
  }

  override open(): Promise<void> | undefined {
    this.#plain ??= objectionTo(this.#message);
    void super.open();
    return this.#plain === undefined ? this.#know() : undefined;
  }

  /** Finds out whether its bytes can pass the runtime by, and counts them from then on. */
  async #know(): Promise<void> {
    const known = await loadMessages();
    this.#plain = typeof known === "string" ? known : await known.unproven("message to file", this.#runtime);
    if (typeof known === "string" || this.#plain !== undefined || this.#isEnded) return;
    const followed = known.followed(this.#message, this.#runtime);
    if (typeof followed === "string") this.#plain = followed;
    else this.#followed = followed;
  }

  quiet(): Promise<void> | undefined {
    return this.#followed === undefined ? undefined : this.#hold(this.#followed);
  }

  async #hold(followed: Followed): Promise<void> {
    await afterParser();
    if (this.#isEnded || this.#message.destroyed) return;
    this.#plain = await followed.hold();
    this.#isHeld = this.#plain === undefined;
    // The transfer may have been aborted meanwhile.
    if (this.#isEnded) this.#leave(followed);
  }

  async look({ native }: Surroundings): Promise<Endpoint> {
    if (this.#plain === undefined) await this.#know();
    return this.inspect(native);
  }

  override inspect(native: Native | string): Endpoint {
    const followed = this.#followed;
    const plain = this.#plain ?? (typeof native === "string" ? native : undefined);
    if (followed === undefined || typeof native === "string" || plain !== undefined)
      return { ...super.inspect(native), ...(plain !== undefined && { withoutFd: plain }) };
    const found = followed.feed.inspect(native);
    if (typeof found === "string") return { ...super.inspect(native), withoutFd: found };
    return { ...found, name: "message", buffered: this.#message.readableLength, passable: followed.body.passable };
  }

  get fd(): number | undefined {
    const { fd = -1 } = this.#followed?.feed ?? {};
    return fd < 0 ? undefined : fd;
  }

  release(): void {
    this.#followed?.feed.release();
  }

  begin(counter: Counter): void {
    this.#followed?.feed.begin(counter);
  }

  passed(bytes: number): void {
    this.#followed?.feed.moved(bytes);
  }

  override read(max: number): Promise<Uint8Array | undefined> {
    if (this.#message.readableLength === 0) this.#letGo();
    return super.read(max);
  }

  /** Tells the parser of what has passed it by, and lets the runtime read on. */
  #letGo(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.#followed?.feed.putBack();
  }

  /** What is read as a stream tells of its end by itself. */
  watch(closed: (error?: unknown) => void): void {
    this.#onClose = () => {
      if (this.#isHeld) closed(this.#message.errored);
    };
    this.#message.once("close", this.#onClose);
  }

  override end(broken: boolean): undefined {
    this.#isEnded = true;
    if (this.#onClose !== undefined) this.#message.off("close", this.#onClose);
    super.end(broken);
    const { socket } = this.#message;
    if (this.#followed !== undefined) this.#leave(this.#followed);
    if (broken) socket.destroy();
    // Who takes as much as was promised doesn't ask for more: the message tells of its end, and its connection is used again.
    const { complete, readableLength, destroyed } = this.#message;
    if (complete && readableLength === 0 && !destroyed) this.#message.read(0);
    return undefined;
  }

  #leave(followed: Followed): void {
    this.#letGo();
    followed.leave();
  }
}
