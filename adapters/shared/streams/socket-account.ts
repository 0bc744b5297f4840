/** Keeps what a net.Socket tells of itself true while bytes pass it by: its counts, and its idle time-out. */
import type { Socket } from "node:net";
import { slot } from "../slot.ts";
import { socketInternals } from "./internals.ts";

export interface Counter {
  /** Bytes that have moved. */
  readonly progress: number;
}

class Account {
  readonly #socket: ReturnType<typeof socketInternals>;
  #written = 0;
  #read = 0;
  #running: Counter | undefined;
  #seen = 0;

  constructor(socket: Socket) {
    this.#socket = socketInternals(socket);
    this.#countBytes();
    this.#guardTimeout();
  }

  /** `bytesWritten` adds what is queued to the first of these, which is the handle's count. */
  #countBytes(): void {
    this.#raise("_bytesDispatched", () => this.#written);
    this.#raise("bytesRead", () => this.#read);
  }

  #raise(name: "_bytesDispatched" | "bytesRead", by: () => number): void {
    const socket = this.#socket;
    const proto = Object(Object.getPrototypeOf(socket)) as object;
    if (!(name in proto)) return;
    const get = () => Number(Reflect.get(proto, name, socket)) + by();
    Object.defineProperty(socket, name, { get, configurable: true });
  }

  /** A timer that is set later binds this function too; one that runs is set again, with it. */
  #guardTimeout(): void {
    const socket = this.#socket;
    const original = socket._onTimeout;
    if (original === undefined) return;
    socket._onTimeout = () => {
      if (this.#advanced()) socket._unrefTimer?.();
      else original.call(socket);
    };
    this.touch();
  }

  /** Whether bytes have moved since the last time that was asked. */
  #advanced(): boolean {
    const progress = this.#running?.progress ?? this.#seen;
    if (progress === this.#seen) return false;
    this.#seen = progress;
    return true;
  }

  /** Starts the idle time anew. */
  touch(): void {
    const { timeout } = this.#socket;
    if (timeout !== undefined && timeout > 0) this.#socket.setTimeout(timeout);
  }

  begin(counter: Counter): void {
    this.#running = counter;
    this.#seen = counter.progress;
  }

  read(bytes: number): void {
    this.#read += bytes;
    this.#rest(bytes);
  }

  written(bytes: number): void {
    this.#written += bytes;
    this.#rest(bytes);
  }

  #rest(bytes: number): void {
    this.#running = undefined;
    if (bytes > 0) this.touch();
  }
}

const accounts = slot<Account>();

export function accountOf(socket: Socket): Account {
  let account = accounts.get(socket);
  if (account === undefined) accounts.set(socket, (account = new Account(socket)));
  return account;
}

export type { Account };
