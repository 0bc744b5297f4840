/** A plain socket of node:net as a source. */
import type { Socket } from "node:net";
import type { Native } from "../../../core/abi.ts";
import type { Endpoint } from "../../../core/endpoint.ts";
import { HeldSocket } from "../ends/held-socket.ts";
import { inspectSocket } from "../ends/socket-target.ts";
import type { Runtime } from "../runtime.ts";
import type { Feed, Range } from "./feed.ts";
import { accountOf, type Counter } from "./socket-account.ts";

type Read = (this: Socket, size: number) => void;

export class SocketFeed implements Feed {
  readonly stream: Socket;
  readonly closesItself = false;
  readonly bounded = false;
  readonly complete = false;
  readonly offset = 0;
  readonly askedLength = undefined;
  readonly #runtime: Runtime;
  readonly #read: Read;
  readonly #held: HeldSocket;
  #readAgain: (() => void) | undefined;

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
    return undefined;
  }

  inspect(native: Native): Endpoint | string {
    const fd = this.#held.hold();
    return typeof fd === "string" ? fd : inspectSocket(native, this.stream, fd);
  }

  range(): Range {
    return { offset: 0, length: undefined };
  }

  begin(counter: Counter): void {
    this.#readAgain = this.#runtime.stopReading(this.stream);
    accountOf(this.stream).begin(counter);
  }

  moved(bytes: number): void {
    accountOf(this.stream).read(bytes);
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
    accountOf(this.stream).rest();
  }

  /** The runtime finds the end by itself. */
  finish(): void {
    this.giveBack();
  }

  fail(error: Error): void {
    // The kernel tells of a reset once, and it has told us.
    this.stream.destroy(error);
  }

  giveBack(): void {
    this.#readAgain?.();
    this.#read.call(this.stream, this.stream.readableHighWaterMark);
  }
}
