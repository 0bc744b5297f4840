/** Connections that are a runtime's own objects and no streams: Bun's sockets, Deno's conns. */
import type { Native } from "../../core/abi/abi.ts";
import { type Endpoint, endpoint } from "../../core/plan/endpoint.ts";
import { TransferError } from "../../core/error.ts";
import { inspectFd } from "./inspect.ts";
import type { Machine } from "../engine/machine.ts";
import type { SourceEnd } from "./source.ts";
import type { TargetEnd } from "./target.ts";
import { turn } from "./turn.ts";

/** What a runtime tells of such an object. */
export interface Connection {
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

/** These objects tell nobody that they were closed: they are asked, this often, in milliseconds. */
const watchMs = 50;

function inspectConnection(connection: Connection, native: Native | string): Endpoint {
  if (connection.isClosed())
    throw new TransferError(`Cannot use ${connection.name}: it is closed`, { code: "ERR_SLUICE_CLOSED" });
  const fd = connection.fd();
  const withoutFd = typeof fd === "string" ? fd : typeof native === "string" ? native : undefined;
  if (typeof fd === "string" || typeof native === "string")
    return endpoint({
      kind: "stream",
      name: connection.name,
      fd: false,
      ...(withoutFd !== undefined && { withoutFd }),
    });
  const { withoutNotices } = connection;
  return { ...inspectFd(native, fd, connection.name), ...(withoutNotices !== undefined && { withoutNotices }) };
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

class ConnectionEnd {
  readonly connection: Connection;
  #watch: ReturnType<typeof setInterval> | undefined;
  #closed: (error?: unknown) => void = () => {};

  constructor(connection: Connection) {
    this.connection = connection;
  }

  get fd(): number | undefined {
    const fd = this.connection.fd();
    return typeof fd === "number" ? fd : undefined;
  }

  keep(): void {
    // The object is asked again when its turn comes.
  }

  open(): Promise<void> | undefined {
    return this.connection.settled?.();
  }

  inspect(native: Native | string): Endpoint {
    return inspectConnection(this.connection, native);
  }

  async look(machine: Machine): Promise<Endpoint> {
    await this.connection.settled?.();
    return this.inspect(machine.native);
  }

  watch(closed: (error?: unknown) => void): void {
    this.#closed = closed;
    this.#watch = setInterval(() => {
      if (this.connection.isClosed()) closed();
    }, watchMs);
  }

  /** What looks like an end is a reset where the runtime has closed the object meanwhile. */
  async hearEnd(): Promise<void> {
    if (this.connection.readsAtReset !== true) return;
    await turn();
    if (this.connection.isClosed()) this.#closed(cutOff(this.connection.name));
  }

  protected unwatch(): void {
    clearInterval(this.#watch);
  }
}

export class ConnectionSource extends ConnectionEnd implements SourceEnd {
  #readAgain: (() => void) | undefined;

  /** The runtime stops reading at once: what it reads while the target is opened would go to the object's own callbacks. */
  override open(): Promise<void> | undefined {
    this.stop();
    return super.open();
  }

  keepReadable(): void {
    // The object is read as it is.
  }

  stop(): void {
    this.#readAgain ??= this.connection.stopReading?.();
  }

  /**
   * @throws TransferError `ECONNRESET` where the runtime may have read, too
   */
  verify(moved: number): void {
    if (this.connection.readsAtReset === true && this.connection.isClosed()) throw cutOff(this.connection.name, moved);
  }

  read(max: number): Promise<Uint8Array | undefined> {
    return this.connection.read(max);
  }

  end(): undefined {
    this.unwatch();
    if (!this.connection.isClosed()) this.#readAgain?.();
    return undefined;
  }
}

export class ConnectionTarget extends ConnectionEnd implements TargetEnd {
  readonly buffers = false;
  readonly idleTimeoutMs = 0;

  get isOpen(): boolean {
    return this.connection.settled === undefined;
  }

  /** There is no queue to take a place in: these objects hand each write to the kernel or say how much it took. */
  enter(): undefined {
    return undefined;
  }

  empty(): undefined {
    return undefined;
  }

  write(bytes: Uint8Array): Promise<number> {
    return this.connection.write(bytes);
  }

  touch(): void {
    // Their time-outs are the caller's.
  }

  end(): undefined {
    this.unwatch();
    return undefined;
  }
}
