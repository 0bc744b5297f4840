/** A plain socket of node:net as what a stream is piped to. */
import type { Socket } from "node:net";
import type { Native } from "../../core/abi/abi.ts";
import type { Endpoint } from "../../core/plan/endpoint.ts";
import { HeldSocket } from "../ends/held-socket.ts";
import { inspectSocket } from "../ends/socket-target.ts";
import type { Runtime } from "../runtime.ts";
import { replacedSocketWriting } from "./originals.ts";
import type { Sink } from "./sink.ts";
import { accountOf, type Counter } from "./socket-account.ts";

export class SocketSink implements Sink {
  readonly kind = "socket";
  readonly queue: Socket;
  readonly #held: HeldSocket;
  #counter: Counter | undefined;

  constructor(socket: Socket, runtime: Runtime) {
    this.queue = socket;
    this.#held = new HeldSocket(socket, runtime);
  }

  objection(): string | undefined {
    const socket = this.queue;
    if (socket.destroyed || socket.writableEnded) return "the socket is closed for writing";
    if ("encrypted" in socket && socket.encrypted) return "TLS encrypts in the process";
    return replacedSocketWriting(socket) !== undefined ? "the socket's write has been replaced" : undefined;
  }

  readonly isConnection = true;
  readonly immediate = true;

  get corked(): boolean {
    return this.queue.writableCorked > 0;
  }

  ready(cancelled: () => Promise<void>): Promise<boolean> | undefined {
    const socket = this.queue;
    if (!socket.connecting) return undefined;
    return new Promise((resolve) => {
      const settle = () => {
        socket.off("connect", settle).off("close", settle);
        resolve(true);
      };
      // No listener of errors: one that nobody else listens to has to end the process.
      socket.once("connect", settle).once("close", settle);
      void cancelled().then(settle);
    });
  }

  open(native: Native): Endpoint | string {
    const fd = this.#held.hold();
    return typeof fd === "string" ? fd : inspectSocket(native, this.queue, fd);
  }

  get fd(): number | undefined {
    return this.#held.fd;
  }

  letGo(): void {
    this.#held.letGo();
  }

  close(): void {
    this.letGo();
    if (this.#counter !== undefined) accountOf(this.queue).rest(this.#counter);
  }

  /** A peer that closes its sending side is taken for gone where the socket, or node:http, then ends its own. */
  onAborted(callback: () => void): () => void {
    const socket = this.queue;
    const onEnd = () => {
      if (socket.writableEnded) callback();
    };
    socket.once("end", onEnd);
    return () => socket.off("end", onEnd);
  }

  readonly targetOffset = undefined;

  commit(): undefined {
    return undefined;
  }

  readonly room = Infinity;
  readonly framed = false;
  readonly unit = Infinity;

  readonly commits = false;

  head(): string {
    return "";
  }

  tail(): string {
    return "";
  }

  begin(counter: Counter): void {
    this.#counter = counter;
    accountOf(this.queue).beginWriting(counter);
  }

  headSent(bytes: number): void {
    accountOf(this.queue).written(bytes);
  }

  bodySent(bytes: number): void {
    if (this.#counter === undefined) accountOf(this.queue).written(bytes);
  }

  abort(): void {
    this.queue.destroy();
  }
}
