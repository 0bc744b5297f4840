/** A plain socket of node:net as what a stream is piped to. */
import { Socket } from "node:net";
import type { Native } from "../../../core/abi.ts";
import type { Endpoint } from "../../../core/endpoint.ts";
import { connected } from "../ends/connecting.ts";
import { HeldSocket } from "../ends/held-socket.ts";
import { inspectSocket } from "../ends/socket-target.ts";
import type { Runtime } from "../runtime.ts";
import type { Sink } from "./sink.ts";
import { accountOf, type Counter } from "./socket-account.ts";

/** The socket's `_write` itself is the gate's, once it has had a turn; its class's tells. */
function isReplaced(socket: Socket): boolean {
  const { _write, write } = Socket.prototype;
  return socket.write !== write || (Object.getPrototypeOf(socket) as Socket)._write !== _write;
}

export class SocketSink implements Sink {
  readonly queue: Socket;
  readonly #held: HeldSocket;

  constructor(socket: Socket, runtime: Runtime) {
    this.queue = socket;
    this.#held = new HeldSocket(socket, runtime);
  }

  objection(): string | undefined {
    const socket = this.queue;
    if (socket.destroyed || socket.writableEnded) return "the socket is closed for writing";
    if ("encrypted" in socket && socket.encrypted) return "TLS encrypts in the process";
    return isReplaced(socket) ? "the socket's write has been replaced" : undefined;
  }

  readonly isConnection = true;
  readonly immediate = true;

  ready(cancelled: () => Promise<void>): Promise<void> | undefined {
    const waiting = connected(this.queue);
    // A connection that fails is told of by the socket itself.
    return waiting && Promise.race([waiting.catch(() => {}), cancelled()]);
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
    accountOf(this.queue).rest();
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

  head(): undefined {
    return undefined;
  }

  tail(): void {
    // Nothing comes after the bytes.
  }

  begin(counter: Counter): void {
    accountOf(this.queue).begin(counter);
  }

  headSent(bytes: number): void {
    accountOf(this.queue).written(bytes);
  }

  bodySent(bytes: number): void {
    accountOf(this.queue).written(bytes);
  }

  abort(): void {
    this.queue.destroy();
  }
}
