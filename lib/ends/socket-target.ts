/** Sockets of node:net as targets. */
import type { Socket } from "node:net";
import type { Native } from "../../core/abi/abi.ts";
import type { Endpoint } from "../../core/plan/endpoint.ts";
import { inspectFd } from "./inspect.ts";
import type { Machine } from "../engine/machine.ts";
import type { Runtime } from "../runtime.ts";
import { slot } from "../support/slot.ts";
import { codeOf } from "../support/system-error.ts";
import { connected } from "./connecting.ts";
import { HeldSocket } from "./held-socket.ts";
import { StreamTarget, targetClosed } from "./stream-target.ts";

const inspected = slot<Endpoint>();

/** A connected socket stays what it is: asking the kernel again would cost as much as a small body. */
export function inspectSocket(native: Native, socket: Socket, fd: number): Endpoint {
  let found = inspected.get(socket);
  if (found === undefined) inspected.set(socket, (found = inspectFd(native, fd, "socket")));
  return found;
}

/** A socket of node:net. */
export class SocketTarget extends StreamTarget {
  readonly #socket: Socket;
  readonly #held: HeldSocket;
  readonly #runtime: Runtime;

  constructor(socket: Socket, runtime: Runtime) {
    super(socket);
    this.#socket = socket;
    this.#held = new HeldSocket(socket, runtime);
    this.#runtime = runtime;
  }

  override get fd(): number | undefined {
    return this.#held.fd;
  }

  override get isOpen(): boolean {
    return !this.#socket.connecting;
  }

  override open(): Promise<void> | undefined {
    return connected(this.#socket);
  }

  async look(machine: Machine): Promise<Endpoint> {
    await connected(this.#socket);
    return this.inspect(machine.native);
  }

  override inspect(native: Native | string): Endpoint {
    if (this.#socket.destroyed) throw targetClosed("it is closed", codeOf(this.#socket.errored) ?? "ERR_SLUICE_CLOSED");
    if (typeof native === "string") return this.#withoutFd(native);
    const fd = this.#held.hold();
    if (typeof fd === "string") return this.#withoutFd(fd);
    const { withoutNotices } = this.#runtime;
    const found = inspectSocket(native, this.#socket, fd);
    return withoutNotices === undefined ? found : { ...found, withoutNotices };
  }

  #withoutFd(reason: string): Endpoint {
    return { ...super.inspect(reason), name: "socket", withoutFd: reason };
  }

  letGo(): void {
    this.#held.letGo();
  }

  override end(broken: boolean): Promise<void> | undefined {
    this.letGo();
    return super.end(broken);
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
