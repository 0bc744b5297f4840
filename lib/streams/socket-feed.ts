/** A plain socket of node:net as a source. */
import type { Socket } from "node:net";
import type { Native } from "../../core/abi/abi.ts";
import type { Endpoint } from "../../core/plan/endpoint.ts";
import { TransferError } from "../../core/error.ts";
import { HeldSocket } from "../ends/held-socket.ts";
import { inspectSocket } from "../ends/socket-target.ts";
import type { Runtime } from "../runtime.ts";
import type { Feed, Range } from "./feed.ts";
import { accountOf, type Counter, readByRuntime } from "./socket-account.ts";

type Read = (this: Socket, size: number) => void;

export class SocketFeed implements Feed {
  readonly kind = "socket";
  readonly stream: Socket;
  readonly closesItself = false;
  readonly complete = false;
  readonly offset = 0;
  readonly askedLength = undefined;
  readonly #runtime: Runtime;
  readonly #read: Read;
  readonly #held: HeldSocket;
  #counter: Counter | undefined;
  #readAgain: (() => void) | undefined;
  /** What the runtime had read when it was stopped. */
  #before = 0;
  /** Bytes that have moved. */
  #moved = 0;

  constructor(socket: Socket, runtime: Runtime, read: Read) {
    this.stream = socket;
    this.#runtime = runtime;
    this.#read = read;
    this.#held = new HeldSocket(socket, runtime);
  }

  get fd(): number {
    return this.#held.fd ?? -1;
  }

  objection(): string | undefined {
    if ("encrypted" in this.stream && this.stream.encrypted) return "TLS decrypts in the process";
    return this.#runtime.keepsSockets;
  }

  inspect(native: Native): Endpoint | string {
    const fd = this.#held.hold();
    return typeof fd === "string" ? fd : inspectSocket(native, this.stream, fd);
  }

  range(): Range {
    return { offset: 0, length: undefined };
  }

  hold(): void {
    if (this.#readAgain !== undefined) return;
    this.#readAgain = this.#runtime.stopReading(this.stream);
    this.#before = readByRuntime(this.stream);
  }

  readAhead(): Promise<Uint8Array> {
    return Promise.reject(new TypeError("nobody knows whether a socket will send anything"));
  }

  begin(counter: Counter): void {
    this.#counter = counter;
    accountOf(this.stream).beginReading(counter);
  }

  moved(bytes: number): void {
    this.#moved += bytes;
  }

  unread(bytes: Uint8Array): void {
    accountOf(this.stream).read(bytes.byteLength);
    if (!this.stream.destroyed) this.stream.unshift(bytes);
  }

  letGo(): void {
    this.#held.letGo();
  }

  close(): void {
    this.letGo();
    if (this.#counter !== undefined) accountOf(this.stream).rest(this.#counter);
  }

  /** The runtime finds the end by itself. */
  finish(): void {
    this.giveBack();
  }

  /** The kernel tells of a reset once, and it has told us: the error is made as Node makes its own. */
  fail({ code, errno = 0 }: TransferError): void {
    this.stream.destroy(Object.assign(new Error(`read ${code}`), { code, errno: -errno, syscall: "read" }));
  }

  /** Ends the stream where the runtime has read, too: those bytes are missing between the others. */
  #failsProof(): boolean {
    const lost = this.#moved > 0 ? readByRuntime(this.stream) - this.#before : 0;
    if (lost === 0) return false;
    const details = { code: "ERR_SLUICE_CHANGED", bytesTransferred: this.#moved, bytesStranded: lost } as const;
    this.stream.destroy(new TransferError(`Cannot send socket: ${lost} bytes of it were read meanwhile`, details));
    return true;
  }

  giveBack(): void {
    if (this.#readAgain !== undefined && this.#failsProof()) return;
    this.#readAgain?.();
    this.#readAgain = undefined;
    this.#read.call(this.stream, this.stream.readableHighWaterMark);
  }
}
