/** The two connections of a proxied pair: sockets of node:net, a runtime's own sockets, descriptors. */
import { Socket } from "node:net";
import type { Native } from "../../core/abi/abi.ts";
import type { Endpoint } from "../../core/plan/endpoint.ts";
import { argumentError, shown } from "../../core/error.ts";
import type { ProxySide } from "../../core/proxy-report.ts";
import type { ProxyEnd } from "../api.ts";

import { cutOff, RuntimeSocketSource, RuntimeSocketTarget } from "../ends/runtime-socket-ends.ts";
import { FdSource, FdTarget } from "../ends/fd-ends.ts";
import { checkFd, isHasFd } from "../ends/recognise.ts";
import { ignore } from "../ends/stream-ends.ts";
import { SocketSource, SocketTarget } from "../ends/socket-ends.ts";
import type { Engine } from "../engine/engine.ts";
import type { Machine } from "../engine/machine.ts";
import type { Runtime } from "../runtime.ts";
import { resetSocket } from "../ends/socket-handle.ts";
import type { PairEnd } from "./pair.ts";

const noBytes = new Uint8Array(0);
const shutWrite = 1;
const shutBoth = 2;

class SocketPairEnd implements PairEnd {
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
    socket.on("error", ignore);
    if (reset) resetSocket(socket);
    else socket.destroy();
    void this.source.end(false);
    void this.target.end(false);
  }
}

/** Resets a TCP connection by its descriptor, also where others have it open; shuts others down. */
function resetFd(engine: Engine, fd: number): void {
  const pair = engine.pairs.open(fd, fd);
  if (pair > 0) engine.pairs.close(pair, true);
}

class RuntimeSocketPairEnd implements PairEnd {
  readonly readsAhead: boolean;
  readonly source: RuntimeSocketSource;
  readonly target: RuntimeSocketTarget;
  readonly #engine: Engine | undefined;
  #over = false;

  constructor(source: RuntimeSocketSource, engine: Engine | undefined) {
    this.source = source;
    this.target = new RuntimeSocketTarget(source.socket);
    this.readsAhead = source.socket.readsAtReset ?? false;
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

  ready(): Promise<unknown> | undefined {
    return this.source.open();
  }

  failure(): unknown {
    return this.source.socket.isClosed() ? cutOff(this.source.socket.name) : undefined;
  }

  take(): Uint8Array {
    this.source.stop();
    return noBytes;
  }

  verify(moved: number): void {
    if (!this.#over) this.source.verify(moved);
  }

  shutdown(): Promise<void> {
    return this.source.socket.shutdown();
  }

  adopt(): void {
    this.close(false);
  }

  close(reset: boolean): void {
    if (this.#over) return;
    this.#over = true;
    const { fd } = this.source;
    if (reset && this.#engine !== undefined && fd !== undefined && !this.source.socket.isClosed())
      resetFd(this.#engine, fd);
    void this.target.end();
    this.source.socket.close(reset);
    void this.source.end();
  }
}

/** A descriptor of the caller's, who may close its number at any time: a duplicate is worked on. */
class FdPairEnd implements PairEnd {
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

  claim(native: Native | string): void {
    this.#native = native;
    this.source.keep(native);
  }

  giveBack(): void {
    this.#over = true;
    void this.source.end();
    void this.target.end(false, false);
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

/** What an endpoint has to be: a connected stream socket that is open for reading and writing. */
export function isConnection({ kind, byteStream, listening }: Endpoint): boolean {
  return kind === "stream" || (kind === "socket" && byteStream && !listening);
}

/**
 * Recognises one of the two arguments.
 *
 * @throws TypeError for anything that is no connection
 */
export function pairEndOf(value: ProxyEnd, side: ProxySide, { runtime, engine }: Machine): PairEnd {
  if (typeof value === "number") return new FdPairEnd(checkFd(value), engine);
  if (value instanceof Socket) return new SocketPairEnd(value, runtime);
  const own = typeof value === "object" && value !== null ? runtime.source?.(value) : undefined;
  if (own instanceof RuntimeSocketSource) return new RuntimeSocketPairEnd(own, engine);
  if (own === undefined && isHasFd(value)) return new FdPairEnd(checkFd(value.fd), engine);
  throw argumentError("ERR_INVALID_ARG_TYPE", `${side} must be a socket or a descriptor of one, got ${shown(value)}`);
}
