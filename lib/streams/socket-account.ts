/** Keeps what a net.Socket tells of itself true while bytes pass it by: its counts, and its idle time-out. */
import type { Socket } from "node:net";
import { slot } from "../support/slot.ts";
import { type SocketInternals, socketInternals } from "./internals.ts";

export interface Counter {
  /** Bytes that have moved. */
  readonly progress: number;
  /** Bytes that the target has taken and its peer has not, or a negative errno. */
  readonly outstanding: number;
}

type Counted = Socket & SocketInternals;

const accounts = slot<Account>();

/** What the socket's class says of it. Sockets are given the very same functions, so that they keep one shape. */
function inherited(socket: Counted, name: "_bytesDispatched" | "bytesRead"): number {
  return Number(Reflect.get(Object(Object.getPrototypeOf(socket)) as object, name, socket));
}

/** `bytesWritten` adds what is queued to this, which is the handle's count. */
function bytesDispatched(this: Counted): number {
  return inherited(this, "_bytesDispatched") + (accounts.get(this)?.bytesWritten ?? 0);
}

function bytesRead(this: Counted): number {
  return inherited(this, "bytesRead") + (accounts.get(this)?.bytesRead ?? 0);
}

function onTimeout(this: Counted): void {
  if (accounts.get(this)?.advanced() === true) this._unrefTimer?.();
  else (Object.getPrototypeOf(this) as Counted)._onTimeout?.call(this);
}

const getters = { _bytesDispatched: bytesDispatched, bytesRead } as const;

class Account {
  readonly #socket: Counted;
  #written = 0;
  #read = 0;
  #writing: Counter | undefined;
  #reading: Counter | undefined;
  #seen = 0;

  constructor(socket: Socket) {
    this.#socket = socketInternals(socket);
    for (const [name, get] of Object.entries(getters))
      if (name in socket) Object.defineProperty(socket, name, { get, configurable: true });
    // A timer that is set later binds this function; one that runs is set again, with it.
    if (this.#socket._onTimeout !== undefined) this.#socket._onTimeout = onTimeout;
    this.touch();
  }

  /** Bytes that have passed the socket by. */
  get bytesWritten(): number {
    return this.#written + (this.#writing?.progress ?? 0);
  }

  get bytesRead(): number {
    return this.#read + (this.#reading?.progress ?? 0);
  }

  /** Whether bytes have moved since the last time that was asked. */
  advanced(): boolean {
    const progress = this.bytesWritten + this.bytesRead;
    if (progress === this.#seen) return false;
    this.#seen = progress;
    return true;
  }

  /** Starts the idle time anew. */
  touch(): void {
    const { timeout } = this.#socket;
    if (timeout !== undefined && timeout > 0) this.#socket.setTimeout(timeout);
  }

  beginReading(counter: Counter): void {
    this.#reading = counter;
  }

  beginWriting(counter: Counter): void {
    this.#writing = counter;
  }

  /** Enters bytes that no counter counts. */
  read(bytes: number): void {
    this.#read += bytes;
    this.touch();
  }

  written(bytes: number): void {
    this.#written += bytes;
    this.touch();
  }

  /** Enters what a counter has come to. */
  rest(counter: Counter): void {
    if (this.#reading === counter) {
      this.#reading = undefined;
      this.read(counter.progress);
    }
    if (this.#writing === counter) {
      this.#writing = undefined;
      this.written(counter.progress);
    }
  }
}

/** Bytes that the runtime itself has read. */
export const readByRuntime = (socket: Socket): number => inherited(socketInternals(socket), "bytesRead");

export function accountOf(socket: Socket): Account {
  let account = accounts.get(socket);
  if (account === undefined) accounts.set(socket, (account = new Account(socket)));
  return account;
}
