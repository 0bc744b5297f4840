/**
 * Connections that are a runtime's own objects and no streams: Bun's sockets, Deno's conns. They have no queue of writes to wait in:
 * each write goes to the kernel, or the object says how much it took. Their time-outs are the caller's.
 */
import type { Native } from "../../core/abi/abi.ts";
import { type Endpoint, endpoint } from "../../core/plan/endpoint.ts";
import { TransferError } from "../../core/error.ts";
import { inspectFd } from "./inspect-fd.ts";
import type { SourceEnd, Surroundings } from "./source.ts";
import type { TargetEnd } from "./target.ts";
import { turn } from "../support/delay.ts";

/** What a runtime tells of such an object. */
export interface RuntimeSocket {
  readonly name: string;
  /** Why the kernel must not put notices into its error queue, or undefined. */
  readonly withoutNotices?: string;
  /** The descriptor, or why there is none. Asked anew each time: a number outlives its connection. */
  fd(): number | string;
  isClosed(): boolean;
  /** Resolves when writes made before have left, and rejects where the connection is closed. */
  settled?(): Promise<void>;
  /** Bytes read, or undefined at the end. */
  read(max: number): Promise<Uint8Array | undefined>;
  /** Bytes taken, of at least one. */
  write(bytes: Uint8Array): Promise<number>;
  /** Tells the peer that no more will be written (SHUT_WR), and goes on reading. */
  shutdown(): Promise<void>;
  /** Closes it, for both directions; with `reset`, its peer is to see that it was cut off. */
  close(reset: boolean): void;
  /** Stops the runtime from reading; the answer lets it read again. */
  stopReading?(): () => void;
  /** Whether a runtime that was stopped reads all the same, and closes the object, when the peer resets the connection. */
  readonly readsAtReset?: boolean;
}

/** These objects have no event for their closing: they are asked, this often, in milliseconds. */
const watchMs = 50;

function inspectSocket(socket: RuntimeSocket, native: Native | string): Endpoint {
  if (socket.isClosed())
    throw new TransferError(`Cannot use ${socket.name}: it is closed`, { code: "ERR_SLUICE_CLOSED" });
  const fd = socket.fd();
  const withoutFd = typeof fd === "string" ? fd : typeof native === "string" ? native : undefined;
  if (typeof fd === "string" || typeof native === "string")
    return endpoint({
      kind: "stream",
      name: socket.name,
      fd: false,
      ...(withoutFd !== undefined && { withoutFd }),
    });
  const { withoutNotices } = socket;
  return { ...inspectFd(native, fd, socket.name), ...(withoutNotices !== undefined && { withoutNotices }) };
}

/** What is to be said of an object that the runtime has closed by itself. */
export function cutOff(name: string, moved = 0): TransferError {
  return new TransferError(`Cannot send ${name}: its peer reset the connection, or it was closed (ECONNRESET, read)`, {
    code: "ECONNRESET",
    syscall: "read",
    failed: "source",
    bytesTransferred: moved,
  });
}

class RuntimeSocketEnd {
  readonly socket: RuntimeSocket;
  #watch: ReturnType<typeof setInterval> | undefined;
  #closed: ((error?: unknown) => void) | undefined;

  constructor(socket: RuntimeSocket) {
    this.socket = socket;
  }

  get fd(): number | undefined {
    const fd = this.socket.fd();
    return typeof fd === "number" ? fd : undefined;
  }

  open(): Promise<void> | undefined {
    return this.socket.settled?.();
  }

  inspect(native: Native | string): Endpoint {
    return inspectSocket(this.socket, native);
  }

  async look(around: Surroundings): Promise<Endpoint> {
    await this.socket.settled?.();
    return this.inspect(around.native);
  }

  watch(closed: (error?: unknown) => void): void {
    this.#closed = closed;
    this.#watch = setInterval(() => {
      if (this.socket.isClosed()) closed();
    }, watchMs);
  }

  /** What looks like an end is a reset where the runtime has closed the object meanwhile. */
  async hearEnd(): Promise<void> {
    if (this.socket.readsAtReset !== true) return;
    await turn();
    if (this.socket.isClosed()) this.#closed?.(cutOff(this.socket.name));
  }

  protected unwatch(): void {
    clearInterval(this.#watch);
  }
}

export class RuntimeSocketSource extends RuntimeSocketEnd implements SourceEnd {
  #readAgain: (() => void) | undefined;

  /** The runtime stops reading at once: what it reads while the target is opened would go to the object's own callbacks. */
  override open(): Promise<void> | undefined {
    this.stop();
    return super.open();
  }

  stop(): void {
    this.#readAgain ??= this.socket.stopReading?.();
  }

  /**
   * @throws TransferError `ECONNRESET` where the runtime may have read, too
   */
  verify(moved: number): void {
    if (this.socket.readsAtReset === true && this.socket.isClosed()) throw cutOff(this.socket.name, moved);
  }

  read(max: number): Promise<Uint8Array | undefined> {
    return this.socket.read(max);
  }

  end(): undefined {
    this.unwatch();
    if (!this.socket.isClosed()) this.#readAgain?.();
    return undefined;
  }
}

export class RuntimeSocketTarget extends RuntimeSocketEnd implements TargetEnd {
  get isOpen(): boolean {
    return this.socket.settled === undefined;
  }

  write(bytes: Uint8Array): Promise<number> {
    return this.socket.write(bytes);
  }

  end(): undefined {
    this.unwatch();
    return undefined;
  }
}
