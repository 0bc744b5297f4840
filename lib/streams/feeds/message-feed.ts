/**
 * The body of an http.IncomingMessage on a plain connection as a source. Its parser is told of as many bytes as went past it, and
 * reads the end of the body itself: all that follows the body, or is missing of it, is met by Node's own code.
 */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Native } from "../../../core/abi/abi.ts";
import type { Endpoint } from "../../../core/plan/endpoint.ts";
import { TransferError } from "../../../core/error.ts";
import { HeldSocket, inspectSocket } from "../../ends/socket-descriptor.ts";
import type { Runtime } from "../../runtime.ts";
import type { Body } from "../body.ts";
import type { Tally } from "../hand-over/tally.ts";
import { type MessageParser, parserOf } from "../parser.ts";
import { accountOf, type Counter, readByRuntime } from "../socket-account.ts";
import type { Feed, Range } from "./feed.ts";

type Read = (this: IncomingMessage, size: number) => void;

export class MessageFeed implements Feed {
  readonly kind = "message";
  readonly stream: IncomingMessage;
  readonly closesItself = false;
  readonly offset = 0;
  readonly isCertain = true;
  /** The message's own, which `pipeline()` takes from it before it destroys it. */
  readonly #socket: Socket;
  readonly #runtime: Runtime;
  readonly #read: Read;
  readonly #body: Body;
  readonly #parser: MessageParser | string;
  readonly #held: HeldSocket;
  #counter: Counter | undefined;
  #readAgain: (() => void) | undefined;
  /** What the runtime had read when it was stopped. */
  #before = 0;
  /** Bytes that have moved. */
  #moved = 0;
  /** Of those, what the parser has not been told of. */
  #untold = 0;
  /** Bytes that were taken from the connection and delivered to nobody. */
  #residue: Uint8Array | undefined;

  constructor(message: IncomingMessage, runtime: Runtime, read: Read, body: Body) {
    this.stream = message;
    this.#socket = message.socket;
    this.#runtime = runtime;
    this.#read = read;
    this.#body = body;
    this.#parser = parserOf(message);
    this.#held = new HeldSocket(message.socket, runtime);
  }

  get fd(): number {
    return this.#held.fd ?? -1;
  }

  objection(): string | undefined {
    const socket = this.#socket;
    if ("encrypted" in socket && socket.encrypted) return "TLS decrypts in the process";
    if (this.#runtime.unsupported.socketStreams !== undefined) return this.#runtime.unsupported.socketStreams;
    return typeof this.#parser === "string" ? this.#parser : undefined;
  }

  inspect(native: Native): Endpoint | string {
    const fd = this.#held.hold();
    return typeof fd === "string" ? fd : inspectSocket(native, this.#socket, fd);
  }

  range(): Range {
    return { offset: 0, length: this.#body.passable };
  }

  get tally(): Tally {
    return this.#body.tally;
  }

  get complete(): boolean {
    return this.#body.passable === 0;
  }

  hold(): void {
    if (this.#readAgain !== undefined) return;
    this.#readAgain = this.#runtime.stopReading(this.#socket);
    this.#before = readByRuntime(this.#socket);
    // What Node does to have more is in effect when the connection is read again.
    this.#read.call(this.stream, this.stream.readableHighWaterMark);
  }

  /** Those that the runtime finds next, with the parser told of all before. */
  readAhead(length: number): Promise<Uint8Array> {
    const { destroyed } = this.stream;
    const socket = this.#socket;
    const bytes = this.#body.claim(length);
    const end = () => this.abandon();
    socket.once("close", end);
    this.#catchUp();
    if (destroyed || socket.destroyed) end();
    // It may have been stopped for a message that waits for its target, which is the one that is owed these bytes.
    else socket.resume();
    return bytes.finally(() => socket.off("close", end));
  }

  abandon(): void {
    this.#body.end();
  }

  begin(counter: Counter): void {
    this.#counter = counter;
    this.#body.mover = counter;
    accountOf(this.#socket).beginReading(counter);
  }

  moved(bytes: number): void {
    this.#moved += bytes;
    this.#untold += bytes;
    this.#body.came += bytes;
  }

  unread(bytes: Uint8Array): void {
    this.#residue = Buffer.from(bytes);
    accountOf(this.#socket).read(bytes.byteLength);
  }

  release(): void {
    this.#held.release();
  }

  close(): void {
    this.release();
    this.#body.mover = undefined;
    if (this.#counter !== undefined) accountOf(this.#socket).rest(this.#counter);
    if (this.stream.destroyed) this.#catchUp();
  }

  /** Bytes that the runtime has read all the same are missing between the others. */
  get #lost(): number {
    const isProven = this.#moved === 0 || this.#readAgain === undefined;
    return isProven ? 0 : readByRuntime(this.#socket) - this.#before;
  }

  /** Tells the parser of what has passed it by, and lets the runtime read again. */
  #catchUp(): void {
    const readAgain = this.#readAgain;
    if (readAgain === undefined) return;
    const lost = this.#lost;
    this.#readAgain = undefined;
    if (lost === 0) this.#tellParser();
    else this.#failProof(lost);
    readAgain();
  }

  #tellParser(): void {
    const untold = this.#untold;
    const residue = this.#residue;
    this.#untold = 0;
    this.#residue = undefined;
    if (typeof this.#parser === "string" || untold + (residue?.byteLength ?? 0) === 0) return;
    if (this.#parser.isRunning) throw new TypeError("The parser of a connection that is held was found at work");
    this.#parser.skip(untold);
    if (residue !== undefined) this.#parser.take(residue);
  }

  #failProof(lost: number): void {
    const details = { code: "ERR_SLUICE_CHANGED", bytesTransferred: this.#moved, bytesStranded: lost } as const;
    this.#socket.destroy(new TransferError(`Cannot send socket: ${lost} bytes of it were read meanwhile`, details));
  }

  /** The runtime reads the end of the body by itself. */
  finish(): void {
    this.giveBack();
  }

  /** The kernel tells of a reset once, and it has told us: the error is made as Node makes its own. */
  fail({ code, errno = 0 }: TransferError): void {
    this.#catchUp();
    this.#socket.destroy(Object.assign(new Error(`read ${code}`), { code, errno: -errno, syscall: "read" }));
  }

  /** What could not be handed over now will not be later; what has been in part may be again. */
  giveBack(): void {
    if (this.#moved === 0) this.#body.leave();
    this.putBack();
  }

  /** Nothing has been decided. */
  putBack(): void {
    this.#body.isHeld = false;
    this.#catchUp();
    if (!this.stream.complete && !this.stream.destroyed)
      this.#read.call(this.stream, this.stream.readableHighWaterMark);
  }
}
