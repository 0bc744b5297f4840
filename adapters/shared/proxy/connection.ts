/** One of the two connections of a proxied pair, whatever kind of object it is. */
import { Socket } from "node:net";
import type { Native } from "../../../core/abi.ts";
import type { Endpoint } from "../../../core/endpoint.ts";
import { argumentError, shown } from "../../../core/error.ts";
import type { ProxySide } from "../../../core/proxy.ts";
import type { HasFd, ProxyEnd } from "../api.ts";
import { ConnectionSource, ConnectionTarget } from "../ends/connection.ts";
import { FdSource } from "../ends/fd-source.ts";
import { FdTarget } from "../ends/fd-target.ts";
import { checkFd } from "../ends/recognise.ts";
import { SocketSource } from "../ends/socket-source.ts";
import { SocketTarget } from "../ends/socket-target.ts";
import type { SourceEnd } from "../ends/source.ts";
import type { TargetEnd } from "../ends/target.ts";
import type { Runtime } from "../runtime.ts";
import { keepReading } from "../socket-handle.ts";

const noBytes = new Uint8Array(0);
const shutWrite = 1;
const shutBoth = 2;

export interface ProxyConnection {
  readonly source: SourceEnd;
  readonly target: TargetEnd;
  /** Tells of a close by the runtime or its user; `peerHasEnded` says whether that is no news. */
  watch(closed: (error?: unknown) => void, peerHasEnded: () => boolean): void;
  /** Keeps everybody else from reading it, from the call on. */
  claim(native: Native | string): void;
  /** Resolves when it is connected and what was written before has left. Undefined: nothing to wait for. */
  ready(): Promise<unknown> | undefined;
  /** Lets a read that the runtime has begun come to an end, where `readsAhead`. */
  quiet(): Promise<void>;
  /** Stops the runtime from reading and takes what it has read. */
  take(): Uint8Array;
  /** Tells the peer that no more will come. */
  shutdown(): Promise<void>;
  /** Whether it has to be adopted: nothing else makes the runtime stop reading it. */
  readonly readsAhead: boolean;
  /** Lets go of the runtime's object, whose descriptor has been duplicated: the connection goes on. */
  adopt(): void;
  /** Closes it, if that is not done. */
  close(): void;
}

class SocketConnection implements ProxyConnection {
  readonly source: SocketSource;
  readonly target: SocketTarget;
  readonly readsAhead: boolean;
  readonly #socket: Socket;
  #entered: Promise<void> | undefined;
  #over = false;

  constructor(socket: Socket, runtime: Runtime) {
    this.#socket = socket;
    this.readsAhead = runtime.readsAhead ?? false;
    this.source = new SocketSource(socket, runtime);
    this.target = new SocketTarget(socket, runtime);
  }

  claim(): void {
    const socket = this.#socket;
    // An end that comes while the runtime still reads would close the other direction too.
    socket.allowHalfOpen = true;
    // First, since it throws for a socket that is closed or has been ended.
    this.#entered = this.target.enter();
    this.#entered?.catch(() => {
      // Told by `ready`.
    });
    socket.unpipe();
    // The runtime reads on into the socket's own buffer, up to its high-water mark; Deno would stop.
    if (socket.readableFlowing === true) {
      const readAgain = keepReading(socket);
      socket.pause();
      readAgain();
    }
    // One by one: after removeAllListeners() Node takes a stream for one that has listeners of 'data' still.
    for (const name of ["data", "readable"])
      for (const listener of socket.listeners(name)) socket.off(name, listener as () => void);
  }

  watch(closed: (error?: unknown) => void, peerHasEnded: () => boolean): void {
    const socket = this.#socket;
    // Bun closes a connection that its peer has ended, and calls one ended that its user has destroyed.
    socket.once("close", () => {
      if (!this.#over && !(socket.readableEnded && peerHasEnded())) closed(socket.errored);
    });
  }

  ready(): Promise<unknown> | undefined {
    const opened = this.source.open();
    return this.#entered === undefined && opened === undefined ? undefined : Promise.all([this.#entered, opened]);
  }

  async quiet(): Promise<void> {
    this.source.stop();
    // What a read has brought already comes to the stream's buffer in this time; one that is still waiting brings nothing.
    await new Promise((resolve) => setImmediate(resolve));
  }

  take(): Uint8Array {
    const socket = this.#socket;
    this.source.stop();
    const chunks: Uint8Array[] = [];
    while (socket.readableLength > 0) chunks.push(socket.read() as Buffer);
    // Taking from the buffer makes the stream ask the runtime for more.
    this.source.stop();
    return chunks.length === 0 ? noBytes : Buffer.concat(chunks);
  }

  async shutdown(): Promise<void> {
    await this.target.end(false);
    if (this.#socket.destroyed) return;
    // To the end of its queue: what is destroyed before would be lost.
    await new Promise<void>((resolve, reject) => {
      this.#socket.end((error?: Error | null) => (error ? reject(error) : resolve()));
    });
  }

  adopt(): void {
    this.close();
  }

  close(): void {
    if (this.#over) return;
    this.#over = true;
    // It is gone for good, and an error that comes of that has no reader.
    this.#socket.on("error", () => {});
    this.#socket.destroy();
    void this.source.end(false);
    void this.target.end(false);
  }
}

class ObjectConnection implements ProxyConnection {
  readonly readsAhead = false;
  readonly source: ConnectionSource;
  readonly target: ConnectionTarget;

  constructor(source: ConnectionSource) {
    this.source = source;
    this.target = new ConnectionTarget(source.connection);
  }

  watch(closed: (error?: unknown) => void): void {
    this.source.watch(closed);
  }

  claim(): void {
    this.source.stop();
  }

  ready(): Promise<unknown> | undefined {
    return this.source.open();
  }

  async quiet(): Promise<void> {
    // Its reads are the caller's.
  }

  take(): Uint8Array {
    this.source.stop();
    return noBytes;
  }

  shutdown(): Promise<void> {
    return this.source.connection.shutdown();
  }

  adopt(): void {
    this.close();
  }

  close(): void {
    void this.target.end();
    this.source.connection.close();
    void this.source.end();
  }
}

/** A descriptor of the caller's, who may close its number at any time: a duplicate is worked on. */
class FdConnection implements ProxyConnection {
  readonly readsAhead = false;
  readonly source: FdSource;
  readonly target: FdTarget;
  #native: Native | string = "";
  #over = false;

  constructor(fd: number) {
    this.source = new FdSource(fd);
    this.target = new FdTarget(fd, undefined);
  }

  watch(): void {
    // Its number may be closed: there is a duplicate.
  }

  claim(native: Native | string): void {
    this.#native = native;
    this.source.keep(native);
  }

  ready(): undefined {
    return undefined;
  }

  async quiet(): Promise<void> {
    // Nobody reads it.
  }

  take(): Uint8Array {
    return noBytes;
  }

  #shut(how: number): void {
    if (typeof this.#native !== "string") this.#native.sluice_shutdown(this.source.fd, how);
  }

  async shutdown(): Promise<void> {
    this.#shut(shutWrite);
  }

  adopt(): void {
    // The number is the caller's.
  }

  close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#shut(shutBoth);
    void this.source.end();
    void this.target.end(false, false);
  }
}

function isHasFd(value: unknown): value is HasFd {
  return typeof value === "object" && value !== null && "fd" in value && typeof value.fd === "number";
}

/** What an endpoint has to be: a connected stream socket that is open for reading and writing. */
export function isConnection({ kind, byteStream, listening }: Endpoint): boolean {
  return kind === "stream" || (kind === "socket" && byteStream && !listening);
}

/**
 * Recognises one of the two arguments.
 *
 * @throws TypeError for anything that is no connection
 */
export function connectionOf(value: ProxyEnd, side: ProxySide, runtime: Runtime): ProxyConnection {
  if (typeof value === "number") return new FdConnection(checkFd(value));
  if (value instanceof Socket) return new SocketConnection(value, runtime);
  const own = typeof value === "object" && value !== null ? runtime.source?.(value) : undefined;
  if (own instanceof ConnectionSource) return new ObjectConnection(own);
  if (own === undefined && isHasFd(value)) return new FdConnection(checkFd(value.fd));
  throw argumentError("ERR_INVALID_ARG_TYPE", `${side} must be a socket or a descriptor of one, got ${shown(value)}`);
}
