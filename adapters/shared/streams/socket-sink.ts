/** A plain socket of node:net as what a stream is piped to. */
import type { Socket } from "node:net";
import type { Native } from "../../../core/abi.ts";
import type { Endpoint } from "../../../core/endpoint.ts";
import { connected } from "../ends/connecting.ts";
import { HeldSocket } from "../ends/held-socket.ts";
import { inspectSocket } from "../ends/socket-target.ts";
import type { Runtime } from "../runtime.ts";
import type { Sink } from "./sink.ts";
import { accountOf, type Counter } from "./socket-account.ts";

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
    return undefined;
  }

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
