/** One of the two connections of a proxied pair, whatever kind of object it is. */
import { Socket } from "node:net";
import type { Native } from "../../core/abi/abi.ts";
import type { Endpoint } from "../../core/plan/endpoint.ts";
import { argumentError, shown } from "../../core/error.ts";
import type { ProxySide } from "../../core/proxy.ts";
import type { HasFd, ProxyEnd } from "../api.ts";
import { ConnectionSource, ConnectionTarget, cutOff } from "../ends/connection.ts";
import { FdSource } from "../ends/fd-source.ts";
import { FdTarget } from "../ends/fd-target.ts";
import { checkFd } from "../ends/recognise.ts";
import { SocketSource } from "../ends/socket-source.ts";
import { SocketTarget } from "../ends/socket-target.ts";
import type { SourceEnd } from "../ends/source.ts";
import type { TargetEnd } from "../ends/target.ts";
import type { Engine } from "../engine/engine.ts";
import type { Machine } from "../engine/machine.ts";
import type { Runtime } from "../runtime.ts";
import { resetSocket } from "../ends/socket-handle.ts";

const noBytes = new Uint8Array(0);
const shutWrite = 1;
const shutBoth = 2;

export interface ProxyConnection {
  readonly source: SourceEnd;
  readonly target: TargetEnd;
  /** Tells of a close by the runtime or its user; `peerHasEnded` says whether that is no news. */
  watch(closed: (error?: unknown) => void, peerHasEnded: () => boolean): void;
  /** Keeps what comes from everybody else, from the call on. The runtime may read on, and so hears of a reset. */
  claim(native: Native | string): void;
  /** Resolves when it is connected and what was written before has left. Undefined: nothing to wait for. */
  ready(): Promise<unknown> | undefined;
  /** Undoes the claim: the connection is its owner's as it was. */
  giveBack(): void;
  /** Takes off whoever else has read it until now. */
  own(): void;
  /** Lets a read that the runtime has begun come to an end, where `readsAhead`. */
  quiet(): Promise<void>;
  /** The error that has ended it already, which nobody else will hear of. */
  failure(): unknown;
  /** Stops the runtime from reading and takes what it has read. */
  take(): Uint8Array;
  /** Throws where the runtime has read beside the engine. */
  verify(moved: number): void;
  /** Tells the peer that no more will come. */
  shutdown(): Promise<void>;
  /** Whether it has to be adopted: nothing else makes the runtime stop reading it. */
  readonly readsAhead: boolean;
  /** Lets go of the runtime's object, whose descriptor has been duplicated: the connection goes on. */
  adopt(): void;
  /** Closes it, if that is not done; with `reset`, its peer is to see that it was cut off, where that can be had. */
  close(reset: boolean): void;
}

class SocketConnection implements ProxyConnection {
  readonly source: SocketSource;
  readonly target: SocketTarget;
  readonly readsAhead: boolean;
  readonly #socket: Socket;
  readonly #halfOpen: boolean;
  #entered: Promise<void> | undefined;
  #onClose: (() => void) | undefined;
  #over = false;

  constructor(socket: Socket, runtime: Runtime) {
    this.#socket = socket;
    this.readsAhead = runtime.readsAhead ?? false;
    this.#halfOpen = socket.allowHalfOpen;
    this.source = new SocketSource(socket, runtime, true);
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
    this.source.claim();
  }

  giveBack(): void {
    const socket = this.#socket;
    this.#over = true;
    if (this.#onClose !== undefined) socket.off("close", this.#onClose);
    socket.allowHalfOpen = this.#halfOpen;
    void this.source.end(false);
    void this.target.end(false);
  }

  own(): void {
    const socket = this.#socket;
    socket.unpipe();
    // One by one: after removeAllListeners() Node takes a stream for one that has listeners of 'data' still.
    for (const name of ["data", "readable"])
      for (const listener of socket.listeners(name)) socket.off(name, listener as () => void);
  }

  watch(closed: (error?: unknown) => void, peerHasEnded: () => boolean): void {
    const socket = this.#socket;
    // Bun closes a connection that its peer has ended, and calls one ended that its user has destroyed.
    this.#onClose = () => {
      if (!this.#over && !(socket.readableEnded && peerHasEnded())) closed(socket.errored);
    };
    socket.once("close", this.#onClose);
  }

  ready(): Promise<unknown> | undefined {
    const opened = this.source.open();
    return this.#entered === undefined && opened === undefined ? undefined : Promise.all([this.#entered, opened]);
  }

  async quiet(): Promise<void> {
    await this.source.quiet();
  }

  failure(): unknown {
    return this.#socket.errored ?? undefined;
  }

  take(): Uint8Array {
    this.source.stop();
    return this.source.claim().takeAll();
  }

  verify(moved: number): void {
    if (!this.#over) this.source.verify(moved);
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
    this.close(false);
  }

  close(reset: boolean): void {
    if (this.#over) return;
    this.#over = true;
    const socket = this.#socket;
    // It is gone for good, and an error that comes of that has no reader.
    socket.on("error", () => {});
    if (reset) resetSocket(socket);
    else socket.destroy();
    void this.source.end(false);
    void this.target.end(false);
  }
}

/** Resets a TCP connection by its descriptor, whoever else has it open; shuts others down. */
function resetFd(engine: Engine, fd: number): void {
  const pair = engine.openPair(fd, fd);
  if (pair > 0) engine.closePair(pair, true);
}

class ObjectConnection implements ProxyConnection {
  readonly readsAhead: boolean;
  readonly source: ConnectionSource;
  readonly target: ConnectionTarget;
  readonly #engine: Engine | undefined;
  #over = false;

  constructor(source: ConnectionSource, engine: Engine | undefined) {
    this.source = source;
    this.target = new ConnectionTarget(source.connection);
    this.readsAhead = source.connection.readsAtReset ?? false;
    this.#engine = engine;
  }

  watch(closed: (error?: unknown) => void): void {
    this.source.watch(closed);
  }

  claim(): void {
    this.source.stop();
  }

  giveBack(): void {
    this.#over = true;
    void this.target.end();
    void this.source.end();
  }

  own(): void {
    // It has no listeners: its callbacks are not called while it is stopped.
  }

  ready(): Promise<unknown> | undefined {
    return this.source.open();
  }

  async quiet(): Promise<void> {
    // Its reads are the caller's.
  }

  failure(): unknown {
    return this.source.connection.isClosed() ? cutOff(this.source.connection.name) : undefined;
  }

  take(): Uint8Array {
    this.source.stop();
    return noBytes;
  }

  verify(moved: number): void {
    if (!this.#over) this.source.verify(moved);
  }

  shutdown(): Promise<void> {
    return this.source.connection.shutdown();
  }

  adopt(): void {
    this.close(false);
  }

  close(reset: boolean): void {
    if (this.#over) return;
    this.#over = true;
    const { fd } = this.source;
    if (reset && this.#engine !== undefined && fd !== undefined && !this.source.connection.isClosed())
      resetFd(this.#engine, fd);
    void this.target.end();
    this.source.connection.close(reset);
    void this.source.end();
  }
}

/** A descriptor of the caller's, who may close its number at any time: a duplicate is worked on. */
class FdConnection implements ProxyConnection {
  readonly readsAhead = false;
  readonly source: FdSource;
  readonly target: FdTarget;
  readonly #engine: Engine | undefined;
  #native: Native | string = "";
  #over = false;

  constructor(fd: number, engine: Engine | undefined) {
    this.source = new FdSource(fd);
    this.target = new FdTarget(fd, undefined);
    this.#engine = engine;
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

  giveBack(): void {
    this.#over = true;
    void this.source.end();
    void this.target.end(false, false);
  }

  own(): void {
    // Nobody else reads it.
  }

  async quiet(): Promise<void> {
    // Nobody reads it.
  }

  failure(): undefined {
    return undefined;
  }

  take(): Uint8Array {
    return noBytes;
  }

  verify(): void {
    // Who else reads it is the caller's to know.
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

  close(reset: boolean): void {
    if (this.#over) return;
    this.#over = true;
    const { fd } = this.source;
    if (reset && this.#engine !== undefined && fd !== undefined) resetFd(this.#engine, fd);
    else this.#shut(shutBoth);
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
export function connectionOf(value: ProxyEnd, side: ProxySide, { runtime, engine }: Machine): ProxyConnection {
  if (typeof value === "number") return new FdConnection(checkFd(value), engine);
  if (value instanceof Socket) return new SocketConnection(value, runtime);
  const own = typeof value === "object" && value !== null ? runtime.source?.(value) : undefined;
  if (own instanceof ConnectionSource) return new ObjectConnection(own, engine);
  if (own === undefined && isHasFd(value)) return new FdConnection(checkFd(value.fd), engine);
  throw argumentError("ERR_INVALID_ARG_TYPE", `${side} must be a socket or a descriptor of one, got ${shown(value)}`);
}
