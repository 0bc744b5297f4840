/** The kinds of things that bytes can go to, behind one face. */
import { write } from "node:fs";
import { Socket } from "node:net";
import { Writable } from "node:stream";
import { promisify } from "node:util";
import type { Native } from "../../core/abi.ts";
import { type Endpoint, endpoint } from "../../core/endpoint.ts";
import { argumentError, TransferError } from "../../core/error.ts";
import type { AbortSignalLike } from "../../core/request.ts";
import type { Target } from "./api.ts";
import { enterGate, type Turn } from "./gate.ts";
import { inspectFd } from "./inspect.ts";
import { closeFd, empty, type OpenedPath, openTarget, removeFile } from "./open.ts";
import type { Runtime } from "./runtime.ts";
import { checkFd, describe, duplicate } from "./source.ts";

const writeAsync = promisify(write);

export interface TargetEnd {
  readonly fd: number | undefined;
  /** The path it was opened from, which is emptied before the first byte unless an offset is given. */
  readonly path?: string | undefined;
  /** Whether there is nothing to open. */
  readonly isOpen: boolean;
  /** Takes its place in the order of writes, at the moment of the call. Undefined: the place is had. */
  enter(): Promise<void> | undefined;
  /** Duplicates a borrowed descriptor before anything is waited for; see SourceEnd. */
  keep(native: Native | string): void;
  /** Opens what has to be opened first, once the source is known to be there. */
  open(): Promise<void> | undefined;
  inspect(native: Native | string): Endpoint;
  /** Empties the file it was opened from. */
  empty(): Promise<void> | undefined;
  /** Writes by the runtime's own means and answers how many bytes were taken. */
  write(bytes: Uint8Array, offset: number | undefined): Promise<number>;
  watch(closed: () => void): void;
  /** Tells that bytes are moving, for the time-outs of sockets. */
  touch(): void;
  /** Milliseconds after which the runtime would call the target idle; 0: never. */
  readonly idleTimeoutMs: number;
  /** Gives it back or closes it. `broken`: its connection has failed. `untouched`: nothing was written. */
  end(broken: boolean, untouched: boolean): Promise<void> | undefined;
}

class FdTarget implements TargetEnd {
  readonly #from: number | string | URL;
  readonly #signal: AbortSignalLike | undefined;
  #opening: Promise<void> | undefined;
  #opened: OpenedPath | undefined;
  #duplicate: number | undefined;
  readonly idleTimeoutMs = 0;

  constructor(from: number | string | URL, signal: AbortSignalLike | undefined) {
    this.#from = from;
    this.#signal = signal;
  }

  get fd(): number {
    return typeof this.#from === "number" ? (this.#duplicate ?? this.#from) : (this.#opened?.fd ?? -1);
  }

  get isOpen(): boolean {
    return typeof this.#from === "number";
  }

  get path(): string | undefined {
    return this.#opened?.name;
  }

  enter(): undefined {
    return undefined;
  }

  keep(native: Native | string): void {
    if (typeof this.#from !== "number" || this.#from < 0 || typeof native === "string") return;
    this.#duplicate = duplicate(native, this.#from, `fd ${this.#from}`);
  }

  open(): Promise<void> | undefined {
    if (typeof this.#from === "number") return undefined;
    this.#opening = openTarget(this.#from, this.#signal).then((opened) => {
      this.#opened = opened;
    });
    return this.#opening;
  }

  inspect(native: Native | string): Endpoint {
    return inspectFd(native, this.fd, this.path ?? `fd ${this.fd}`);
  }

  empty(): Promise<void> | undefined {
    return this.#opened === undefined || this.#opened.created ? undefined : empty(this.#opened.fd, this.#opened.name);
  }

  async write(bytes: Uint8Array, offset: number | undefined): Promise<number> {
    return (await writeAsync(this.fd, bytes, 0, bytes.byteLength, offset ?? null)).bytesWritten;
  }

  watch(): void {
    // A bare descriptor can't tell that it was closed; the engine works on a duplicate.
  }

  touch(): void {
    // No time-outs here.
  }

  async end(_broken: boolean, untouched: boolean): Promise<void> {
    // An abort may have overtaken the opening; what comes of it is closed all the same.
    if (this.#opening !== undefined) await Promise.allSettled([this.#opening]);
    if (this.#duplicate !== undefined) await closeFd(this.#duplicate);
    this.#duplicate = undefined;
    const opened = this.#opened;
    this.#opened = undefined;
    if (opened === undefined) return;
    await closeFd(opened.fd);
    if (untouched && opened.created) await removeFile(opened.name);
  }
}

/** Any Writable. One that is a proper stream gives us a turn in its queue; others get plain writes. */
class StreamTarget implements TargetEnd {
  protected readonly stream: Writable;
  #turn: Turn | undefined;
  #ended = false;
  #onClose: (() => void) | undefined;
  /** Failures come out of the transfer's own promise; without a listener they would end the process. */
  readonly #onError = () => {};
  readonly #proper: boolean;

  constructor(stream: Writable) {
    this.stream = stream;
    this.#proper = stream instanceof Writable && !stream.writableObjectMode;
  }

  get fd(): number | undefined {
    return undefined;
  }

  enter(): Promise<void> | undefined {
    const { stream } = this;
    if (stream.destroyed) throw targetClosed("it is closed");
    if (stream.writableEnded) throw targetClosed("it was ended before", "ERR_STREAM_WRITE_AFTER_END");
    stream.on("error", this.#onError);
    if (!this.#proper) return undefined;
    let settle: { resolve: () => void; reject: (error: Error) => void } | undefined;
    let failure: Error | undefined;
    enterGate(
      stream,
      (turn) => {
        if (this.#ended) return turn.release();
        this.#turn = turn;
        settle?.resolve();
      },
      (error) => {
        failure = error;
        settle?.reject(error);
      },
    );
    if (this.#turn !== undefined) return undefined;
    return new Promise((resolve, reject) => {
      if (failure !== undefined) reject(failure);
      settle = { resolve, reject };
    });
  }

  get isOpen(): boolean {
    return true;
  }

  keep(): void {
    // An object stays itself.
  }

  open(): Promise<void> | undefined {
    return undefined;
  }

  inspect(_native: Native | string): Endpoint {
    return endpoint({ kind: "stream", name: "stream", fd: false, withoutFd: "the target is a stream of JavaScript" });
  }

  empty(): undefined {
    return undefined;
  }

  async write(bytes: Uint8Array): Promise<number> {
    if (this.#turn !== undefined) await this.#turn.write(bytes);
    else
      await new Promise<void>((resolve, reject) => {
        this.stream.write(bytes, (error) => (error ? reject(error) : resolve()));
      });
    return bytes.byteLength;
  }

  watch(closed: () => void): void {
    this.#onClose = closed;
    this.stream.once("close", closed);
  }

  touch(): void {
    // No time-outs here.
  }

  get idleTimeoutMs(): number {
    return 0;
  }

  end(broken: boolean): Promise<void> | undefined {
    this.#ended = true;
    const { stream } = this;
    if (this.#onClose !== undefined) stream.off("close", this.#onClose);
    // Without an error: the caller hears of it from the transfer, and may listen to 'close'.
    if (broken) stream.destroy();
    this.#turn?.release();
    this.#turn = undefined;
    // A stream that has failed may tell of it only later in this turn of the event loop.
    if (!stream.destroyed) stream.off("error", this.#onError);
    return undefined;
  }
}

function targetClosed(detail: string, code = "EPIPE"): TransferError {
  return new TransferError(`Cannot send to socket: ${detail} (${code}, write)`, { code, syscall: "write" });
}

const inspected = new WeakMap<Socket, Endpoint>();

/** A connected socket stays what it is: asking the kernel again would cost as much as a small body. */
function inspectSocket(native: Native, socket: Socket, fd: number): Endpoint {
  let found = inspected.get(socket);
  if (found === undefined) inspected.set(socket, (found = inspectFd(native, fd, "socket")));
  return found;
}

/** A socket of node:net. */
class SocketTarget extends StreamTarget {
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
    if (this.#socket.destroyed) throw targetClosed("it is closed");
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

/** A Writable, or something that has its methods, such as http.ServerResponse. */
function isWritable(value: object): value is Writable {
  return "write" in value && typeof value.write === "function" && "on" in value && typeof value.on === "function";
}

/**
 * Recognises a target.
 *
 * @throws TypeError for anything that is none
 */
export function targetOf(value: Target, runtime: Runtime, signal: AbortSignalLike | undefined): TargetEnd {
  if (typeof value === "string" || typeof value === "number") return new FdTarget(checkFd(value), signal);
  if (value instanceof URL) return new FdTarget(value, signal);
  if (value instanceof Socket) return new SocketTarget(value, runtime);
  if (typeof value === "object" && value !== null) {
    if ("fd" in value && typeof value.fd === "number" && !(value instanceof Writable))
      return new FdTarget(checkFd(value.fd), signal);
    if (isWritable(value)) return new StreamTarget(value);
  }
  throw argumentError(
    "ERR_INVALID_ARG_TYPE",
    `target must be a path, URL, file descriptor, FileHandle, socket or Writable, got ${describe(value)}`,
  );
}
