/** Sockets of node:net as targets. */
import type { Socket } from "node:net";
import type { Native } from "../../../core/abi.ts";
import type { Endpoint } from "../../../core/endpoint.ts";
import { inspectFd } from "../inspect.ts";
import type { Runtime } from "../runtime.ts";
import { codeOf } from "../system-error.ts";
import { StreamTarget, targetClosed } from "./stream-target.ts";

const inspected = new WeakMap<Socket, Endpoint>();

/** A connected socket stays what it is: asking the kernel again would cost as much as a small body. */
function inspectSocket(native: Native, socket: Socket, fd: number): Endpoint {
  let found = inspected.get(socket);
  if (found === undefined) inspected.set(socket, (found = inspectFd(native, fd, "socket")));
  return found;
}

/** A socket of node:net. */
export class SocketTarget extends StreamTarget {
  readonly #socket: Socket;
  readonly #runtime: Runtime;

  constructor(socket: Socket, runtime: Runtime) {
    super(socket);
    this.#socket = socket;
    this.#runtime = runtime;
  }

  override get fd(): number | undefined {
    const fd = this.#runtime.socketFd(this.#socket);
    return typeof fd === "number" ? fd : undefined;
  }

  override get isOpen(): boolean {
    return !this.#socket.connecting;
  }

  override open(): Promise<void> | undefined {
    const socket = this.#socket;
    if (!socket.connecting) return undefined;
    return new Promise((resolve, reject) => {
      const settle = (error?: Error) => {
        socket.off("connect", settle).off("error", settle).off("close", closed);
        if (error instanceof Error) reject(error);
        else resolve();
      };
      const closed = () => settle(targetClosed("it was closed before it was connected"));
      socket.once("connect", settle).once("error", settle).once("close", closed);
    });
  }

  override inspect(native: Native | string): Endpoint {
    if (this.#socket.destroyed) throw targetClosed("it is closed", codeOf(this.#socket.errored));
    const fd = this.#runtime.socketFd(this.#socket);
    const withoutFd = typeof fd === "string" ? fd : typeof native === "string" ? native : undefined;
    if (typeof native === "string" || typeof fd === "string")
      return { ...super.inspect(native), name: "socket", ...(withoutFd !== undefined && { withoutFd }) };
    return inspectSocket(native, this.#socket, fd);
  }

  override touch(): void {
    // Setting the same time-out again starts it anew.
    const { timeout } = this.#socket;
    if (timeout !== undefined && timeout > 0) this.#socket.setTimeout(timeout);
  }

  override get idleTimeoutMs(): number {
    return this.#socket.timeout ?? 0;
  }
}
