/** The descriptor under a socket of node:net: held, waited for, inspected. */
import type { Socket } from "node:net";
import type { Native } from "../../core/abi/abi.ts";
import type { Endpoint } from "../../core/plan/endpoint.ts";
import { TransferError } from "../../core/error.ts";
import { slot } from "../support/slot.ts";
import { inspectFd } from "./inspect-fd.ts";
import type { Runtime, SocketFd } from "../runtime.ts";

/** The descriptor, held by a transfer from the inspection to the end. */
export class HeldSocket {
  readonly #socket: Socket;
  readonly #runtime: Runtime;
  #held: SocketFd | undefined;

  constructor(socket: Socket, runtime: Runtime) {
    this.#socket = socket;
    this.#runtime = runtime;
  }

  /** Undefined before `hold` and after `release`. */
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
  release(): void {
    this.#held?.release?.();
    this.#held = undefined;
  }
}

/** Resolves when it is connected; undefined where there is nothing to wait for. */
export function connected(socket: Socket): Promise<void> | undefined {
  if (!socket.connecting) return undefined;
  return new Promise((resolve, reject) => {
    const settle = (error?: Error) => {
      socket.off("connect", settle).off("error", settle).off("close", closed);
      if (error instanceof Error) reject(error);
      else resolve();
    };
    const closed = () =>
      settle(
        new TransferError("Cannot use socket: it was closed before it was connected", { code: "ERR_SLUICE_CLOSED" }),
      );
    socket.once("connect", settle).once("error", settle).once("close", closed);
  });
}

const inspected = slot<Endpoint>();

/** A connected socket stays what it is: asking the kernel again would cost as much as a small body. */
export function inspectSocket(native: Native, socket: Socket, fd: number): Endpoint {
  let found = inspected.get(socket);
  if (found === undefined) inspected.set(socket, (found = inspectFd(native, fd, "socket")));
  return found;
}
