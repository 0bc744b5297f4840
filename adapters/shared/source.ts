/** The kinds of things that bytes can come from, behind one face. */
import { read } from "node:fs";
import { Socket } from "node:net";
import { Readable } from "node:stream";
import { promisify } from "node:util";
import type { Native } from "../../core/abi.ts";
import { type Endpoint, endpoint } from "../../core/endpoint.ts";
import { errnoName } from "../../core/errno.ts";
import { argumentError, TransferError } from "../../core/error.ts";
import type { HasFd, Source } from "./api.ts";
import { callFailed, inspectFd } from "./inspect.ts";
import { closeFd, openSource } from "./open.ts";
import type { Runtime } from "./runtime.ts";

const readAsync = promisify(read);

export interface SourceEnd {
  /** The descriptor for the engine, once opened; undefined where there is none. */
  readonly fd: number | undefined;
  /**
   * Duplicates a borrowed descriptor, to be called before anything is waited for: its owner may close
   * it meanwhile, and the number may then be another file's.
   */
  keep(native: Native | string): void;
  /** Opens what has to be opened first. Undefined: nothing had to wait. */
  open(): Promise<void> | undefined;
  /** What it is now. Stops the runtime from reading it when the engine is going to. */
  inspect(native: Native | string): Endpoint;
  /** At most `max` bytes by the runtime's own means; undefined at the end. */
  read(max: number, offset: number | undefined): Promise<Uint8Array | undefined>;
  /** Calls back when the runtime's object is closed by somebody else. */
  watch(closed: () => void): void;
  /** Gives it back to the runtime or closes what `open` opened. `broken`: its connection has failed. */
  end(broken: boolean): Promise<void> | undefined;
}

/** A descriptor: borrowed from the caller, or ours when it was opened from a path. */
class FdSource implements SourceEnd {
  #fd: number;
  #name: string;
  readonly #path: string | URL | undefined;
  #opening: Promise<void> | undefined;
  #ours = false;

  constructor(from: number | string | URL) {
    this.#path = typeof from === "number" ? undefined : from;
    this.#fd = typeof from === "number" ? from : -1;
    this.#name = `fd ${this.#fd}`;
  }

  get fd(): number {
    return this.#fd;
  }

  keep(native: Native | string): void {
    if (this.#fd < 0 || typeof native === "string") return;
    this.#fd = duplicate(native, this.#fd, this.#name);
    this.#ours = true;
  }

  open(): Promise<void> | undefined {
    if (this.#path === undefined) return undefined;
    this.#opening = openSource(this.#path).then(({ fd, name }) => {
      this.#fd = fd;
      this.#ours = true;
      this.#name = name;
    });
    return this.#opening;
  }

  inspect(native: Native | string): Endpoint {
    return inspectFd(native, this.#fd, this.#name);
  }

  async read(max: number, offset: number | undefined): Promise<Uint8Array | undefined> {
    const buffer = new Uint8Array(max);
    const { bytesRead } = await readAsync(this.#fd, buffer, 0, max, offset ?? null);
    return bytesRead === 0 ? undefined : buffer.subarray(0, bytesRead);
  }

  watch(): void {
    // A bare descriptor can't tell that it was closed; the engine works on a duplicate.
  }

  async end(): Promise<void> {
    // An abort may have overtaken the opening; what comes of it is closed all the same.
    if (this.#opening !== undefined) await Promise.allSettled([this.#opening]);
    if (!this.#ours) return;
    this.#ours = false;
    await closeFd(this.#fd);
  }
}

/** Any Readable: bytes come out of its buffer. */
class StreamSource implements SourceEnd {
  protected readonly stream: Readable;

  constructor(stream: Readable) {
    if (stream.readableObjectMode || stream.readableEncoding !== null)
      throw argumentError("ERR_INVALID_ARG_VALUE", "source stream must give bytes, not objects or strings");
    this.stream = stream;
  }

  get fd(): number | undefined {
    return undefined;
  }

  keep(): void {
    // An object stays itself.
  }

  open(): undefined {
    return undefined;
  }

  inspect(_native: Native | string): Endpoint {
    return endpoint({ kind: "stream", name: "stream", fd: false, withoutFd: "the source is a stream of JavaScript" });
  }

  async read(max: number): Promise<Uint8Array | undefined> {
    const { stream } = this;
    for (;;) {
      const ready = stream.readableLength;
      const chunk: unknown = stream.read(ready > 0 ? Math.min(ready, max) : undefined);
      if (chunk instanceof Uint8Array && chunk.byteLength <= max) return chunk;
      if (chunk instanceof Uint8Array) {
        stream.unshift(chunk.subarray(max));
        return chunk.subarray(0, max);
      }
      if (stream.readableEnded) return undefined;
      if (stream.errored) throw stream.errored;
      if (stream.destroyed)
        throw new TransferError("Cannot send stream: it was closed before its end", { code: "ERR_SLUICE_CLOSED" });
      await eventOf(stream, ["readable", "end", "close", "error"]);
    }
  }

  watch(_closed: () => void): void {
    // Reading it tells.
  }

  end(_broken: boolean): undefined {
    return undefined;
  }
}

/** A duplicate of a borrowed descriptor. */
export function duplicate(native: Native, fd: number, name: string): number {
  const copy = native.sluice_duplicate(fd);
  if (copy < 0) throw callFailed(`use ${name}`, "fcntl", errnoName(-copy));
  return copy;
}

/** Resolves at the first of the events, whichever it is. */
function eventOf(stream: Readable, names: readonly string[]): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      for (const name of names) stream.off(name, done);
      resolve();
    };
    for (const name of names) stream.on(name, done);
  });
}

/** libuv's side of a socket, as far as reading is concerned. */
interface ReadingHandle {
  reading?: boolean;
  readStart?(): number;
  readStop?(): number;
}

/**
 * A socket of node:net. What JavaScript has already buffered goes first; then libuv stops reading and
 * the engine takes the rest. Afterwards libuv reads on, and finds the end of the stream by itself.
 */
class SocketSource extends StreamSource {
  readonly #socket: Socket;
  readonly #runtime: Runtime;
  #stopped = false;
  #wasReading = false;
  #wasFlowing = false;
  #onClose: (() => void) | undefined;

  constructor(socket: Socket, runtime: Runtime) {
    super(socket);
    this.#socket = socket;
    this.#runtime = runtime;
  }

  override get fd(): number | undefined {
    const fd = this.#runtime.socketFd(this.#socket);
    return typeof fd === "number" ? fd : undefined;
  }

  get #handle(): ReadingHandle | undefined {
    return (this.#socket as Socket & { _handle?: ReadingHandle | null })._handle ?? undefined;
  }

  override inspect(native: Native | string): Endpoint {
    const socket = this.#socket;
    if (socket.readableEnded) return this.#withoutFd("the socket has ended");
    if (socket.destroyed) throw new TransferError("Cannot send socket: it is closed", { code: "ERR_SLUICE_CLOSED" });
    const fd = this.#runtime.socketFd(socket);
    if (typeof fd === "string") return this.#withoutFd(fd);
    if (typeof native === "string") return this.#withoutFd(native);
    const found = inspectFd(native, fd, "socket");
    this.#stop();
    return { ...found, buffered: this.#socket.readableLength };
  }

  #withoutFd(reason: string): Endpoint {
    return { ...super.inspect(reason), name: "socket", withoutFd: reason };
  }

  #stop(): void {
    const handle = this.#handle;
    if (!this.#stopped) {
      this.#stopped = true;
      this.#wasReading = handle?.reading ?? false;
      this.#wasFlowing = this.#socket.readableFlowing === true;
      if (this.#wasFlowing) this.#socket.pause();
    }
    if (handle === undefined) return;
    handle.reading = false;
    handle.readStop?.();
  }

  override async read(max: number): Promise<Uint8Array | undefined> {
    const chunk = await super.read(max);
    // Taking from the buffer makes the stream ask libuv for more.
    if (this.#stopped) this.#stop();
    return chunk;
  }

  override watch(closed: () => void): void {
    this.#onClose = closed;
    this.#socket.once("close", closed);
  }

  override end(broken: boolean): undefined {
    if (this.#onClose !== undefined) this.#socket.off("close", this.#onClose);
    if (broken) this.#socket.destroy();
    const handle = this.#handle;
    if (!this.#stopped || this.#socket.destroyed || handle === undefined) return undefined;
    if (this.#wasReading) {
      handle.reading = true;
      handle.readStart?.();
    }
    if (this.#wasFlowing) this.#socket.resume();
    return undefined;
  }
}

/** Bytes in memory. */
class MemorySource implements SourceEnd {
  readonly #bytes: Uint8Array;
  readonly fd = undefined;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  keep(): void {
    // An object stays itself.
  }

  open(): undefined {
    return undefined;
  }

  inspect(): Endpoint {
    const size = this.#bytes.byteLength;
    return endpoint({
      kind: "memory",
      name: "bytes",
      fd: false,
      withoutFd: "the source is memory of JavaScript",
      size,
    });
  }

  async read(max: number, offset = 0): Promise<Uint8Array | undefined> {
    return offset >= this.#bytes.byteLength ? undefined : this.#bytes.subarray(offset, offset + max);
  }

  watch(): void {
    // Memory has no owner that could close it.
  }

  end(): undefined {
    return undefined;
  }
}

function isHasFd(value: object): value is HasFd {
  return "fd" in value && typeof value.fd === "number";
}

/**
 * Recognises a source.
 *
 * @throws TypeError for anything that is none
 */
export function sourceOf(value: Source, runtime: Runtime): SourceEnd {
  if (typeof value === "string" || typeof value === "number") return new FdSource(checkFd(value));
  if (value instanceof URL) return new FdSource(value);
  if (value instanceof Uint8Array) return new MemorySource(value);
  if (value instanceof Socket) return new SocketSource(value, runtime);
  if (value instanceof Readable) return new StreamSource(value);
  if (typeof value === "object" && value !== null && isHasFd(value)) return new FdSource(checkFd(value.fd));
  throw argumentError(
    "ERR_INVALID_ARG_TYPE",
    `source must be a path, URL, file descriptor, FileHandle, socket, Readable or Uint8Array, got ${describe(value)}`,
  );
}

/** Refuses numbers that can't be descriptors; paths pass. */
export function checkFd<T extends string | number>(value: T): T {
  if (typeof value === "number" && (!Number.isInteger(value) || value < -1 || value > 0x7fffffff))
    throw argumentError("ERR_OUT_OF_RANGE", `file descriptor must be a whole number of at least 0, got ${value}`);
  return value;
}

/** What an argument is, for a message. */
export function describe(value: unknown): string {
  if (value === null || typeof value !== "object") return String(value);
  return `an instance of ${value.constructor?.name ?? "Object"}`;
}
