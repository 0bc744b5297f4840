/** A plain socket of node:net as what a stream is piped to. */
import type { Socket } from "node:net";
import type { Native } from "../../../core/abi/abi.ts";
import type { Endpoint } from "../../../core/plan/endpoint.ts";
import { HeldSocket, inspectSocket } from "../../ends/socket-descriptor.ts";
import type { Runtime } from "../../runtime.ts";
import { replacedSocketWriting } from "../originals.ts";
import type { Sink } from "./sink.ts";
import { accountOf, type Counter } from "../socket-account.ts";

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

  ready(cancelled: () => Promise<void>): Promise<boolean> | undefined {
    const socket = this.queue;
    if (!socket.connecting) return undefined;
    return new Promise((resolve) => {
      const settle = () => {
        socket.off("connect", settle).off("close", settle);
        resolve(true);
      };
      // No listener of errors: one without another listener has to end the process.
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

  release(): void {
    this.#held.release();
  }

  close(): void {
    this.release();
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

  begin(counter: Counter): void {
    this.#counter = counter;
    accountOf(this.queue).beginWriting(counter);
  }

  sent(body: number, head: number): void {
    // What a counter counts is entered when it rests.
    const bytes = this.#counter === undefined ? body + head : head;
    if (bytes > 0) accountOf(this.queue).written(bytes);
  }
}
