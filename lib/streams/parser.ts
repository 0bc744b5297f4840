/**
 * All that is known here of the parser of node:http, which is undocumented and has been the same since Node 20: where it is, how
 * it tells of a body, and how it is given bytes. Where something of that is missing or is another, messages go Node's own way.
 */
import { type IncomingMessage, Server } from "node:http";
import { Socket } from "node:net";

/** A callback of the parser's is a property under a number that its class gives. */
interface Parser {
  readonly constructor: { readonly kOnBody?: unknown };
  incoming?: unknown;
  readonly maxHeaderPairs?: number;
  getCurrentBuffer?(): Uint8Array;
  onIncoming?: unknown;
  [callback: number]: unknown;
}

type ParsedSocket = Socket & { readonly parser?: Parser | null; readonly _paused?: boolean };

type Listener = (this: Socket, bytes: Uint8Array) => void;

/** The only one of a socket's listeners of 'data', by which a client's parser, and a server's where it has to, is given bytes. */
const listenerName = /^(?:bound )?socketOnData$/;

const unknown = "node:http's parser is not as it is known to be";

/**
 * Zeros to tell the parser of in place of a body: it counts them and, without somebody to hand them to, looks at none. Nobody
 * ever touches them, so they take up no memory. Node 26.12 copies them all the same, at least cost in pieces of this size.
 */
let zeros: Buffer | undefined;
const zeroBytes = 256 * 1024;

function zerosOf(length: number): Uint8Array {
  zeros ??= Buffer.alloc(zeroBytes);
  return length < zeroBytes ? zeros.subarray(0, length) : zeros;
}

/** The parser of a message that is being read. */
export class MessageParser {
  readonly #message: IncomingMessage;
  readonly #socket: ParsedSocket;
  readonly #parser: Parser;
  readonly #onBody: number;

  constructor(message: IncomingMessage, socket: ParsedSocket, parser: Parser, onBody: number) {
    this.#message = message;
    this.#socket = socket;
    this.#parser = parser;
    this.#onBody = onBody;
  }

  /** Whether it is at this message still. */
  get isCurrent(): boolean {
    return !this.#socket.destroyed && this.#socket.parser === this.#parser && this.#parser.incoming === this.#message;
  }

  /** Whether it is in the middle of bytes: to give it others then ends the process. */
  get isRunning(): boolean {
    return this.#parser.getCurrentBuffer?.().length !== 0;
  }

  /**
   * Tells it of bytes of the body that have gone another way. Without its callback it copies nothing. Node 26.12 looks that up
   * once, for good; but the callback drops what comes for no message.
   */
  skip(bytes: number): void {
    if (!this.isCurrent) return;
    const parser = this.#parser;
    const onBody = parser[this.#onBody];
    parser[this.#onBody] = null;
    parser.incoming = null;
    try {
      for (let left = bytes; left > 0; left -= zeroBytes) this.#give(zerosOf(Math.min(left, zeroBytes)));
    } finally {
      parser[this.#onBody] = onBody;
      // One that has been freed serves another connection.
      if (this.#socket.parser === parser) parser.incoming = this.#message;
    }
  }

  /** Gives it bytes of the body as if they had just been read. */
  take(bytes: Uint8Array): void {
    if (this.isCurrent) this.#give(bytes);
  }

  #give(bytes: Uint8Array): void {
    const [listener] = this.#socket.listeners("data") as unknown as readonly Listener[];
    listener?.call(this.#socket, bytes);
  }
}

/** Whether a server has stopped reading a connection, whose answers wait to be sent. It goes on by itself. */
export function isHeldUp({ socket }: IncomingMessage): boolean {
  return (socket as ParsedSocket | null)?._paused === true;
}

/** Whether bytes that its connection has read wait for a message that was not read until now: the next read brings them. */
export function isBehind({ socket }: IncomingMessage): boolean {
  return ((socket as ParsedSocket | null)?.readableLength ?? 0) > 0;
}

function objectionTo(message: IncomingMessage, socket: ParsedSocket, parser: Parser): string | undefined {
  if (parser.incoming !== message) return "the message is not the one that its connection is at";
  if (Reflect.get(message, "upgrade") === true) return "the connection is upgraded";
  const { maxHeaderPairs } = parser;
  if (maxHeaderPairs === undefined || typeof parser.getCurrentBuffer !== "function") return unknown;
  // Those that are left out may have told another length.
  if (maxHeaderPairs > 0 && message.rawHeaders.length >= maxHeaderPairs) return "the message has too many headers";
  const [listener, ...others] = socket.listeners("data");
  if (others.length > 0 || socket.listenerCount("readable") > 0 || socket.readableLength > 0)
    return "somebody else reads the connection";
  return listener !== undefined && listenerName.test(listener.name) ? undefined : unknown;
}

/** The parser that is at a message's body, or why bytes can't pass it by. */
export function parserOf(message: IncomingMessage): MessageParser | string {
  const socket: unknown = message.socket;
  if (!(socket instanceof Socket)) return "the message's connection is not a socket of node:net";
  const { parser } = socket as ParsedSocket;
  if (parser === undefined || parser === null) return "the message's connection has no parser of node:http";
  const { kOnBody } = parser.constructor;
  if (typeof kOnBody !== "number") return unknown;
  const onBody = parser[kOnBody];
  if (typeof onBody !== "function" || onBody.name !== "parserOnBody") return unknown;
  return objectionTo(message, socket, parser) ?? new MessageParser(message, socket, parser, kOnBody);
}

/** Has a server's parser read a connection, without the server: it would tell agents, and answer. For trials. */
export function parseOn(socket: Socket): void {
  const server = new Server();
  const [listener] = server.listeners("connection");
  listener?.call(server, socket);
}

/** Takes the messages of a connection in place of its server or client. For trials. */
export function takeMessages(socket: Socket, onMessage: (message: IncomingMessage) => void): void {
  const { parser } = socket as ParsedSocket;
  if (parser === undefined || parser === null) throw new Error("a connection of node:http has no parser");
  parser.onIncoming = (message: IncomingMessage) => {
    onMessage(message);
    // The body is to be parsed.
    return 0;
  };
}
