/** The descriptor under a socket of node:net, held by a transfer from the inspection to the end. */
import type { Socket } from "node:net";
import type { Runtime, SocketFd } from "../runtime.ts";

export class HeldSocket {
  readonly #socket: Socket;
  readonly #runtime: Runtime;
  #held: SocketFd | undefined;

  constructor(socket: Socket, runtime: Runtime) {
    this.#socket = socket;
    this.#runtime = runtime;
  }

  /** Undefined before `hold` and after `letGo`. */
  get fd(): number | undefined {
    return this.#held?.fd;
  }

  /** Asks the runtime for it, once: the number, or why there is none. */
  hold(): number | string {
    const held = this.#held ?? this.#runtime.socketFd(this.#socket);
    if (typeof held === "string") return held;
    this.#held = held;
    return held.fd;
  }

  /** Gives a duplicate back. */
  letGo(): void {
    this.#held?.release?.();
    this.#held = undefined;
  }
}
