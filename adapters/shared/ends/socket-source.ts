/** Sockets of node:net as sources. */
import type { Socket } from "node:net";
import type { Native } from "../../../core/abi.ts";
import type { Endpoint } from "../../../core/endpoint.ts";
import { TransferError } from "../../../core/error.ts";
import { inspectFd } from "../inspect.ts";
import type { Runtime } from "../runtime.ts";
import { StreamSource } from "./stream-source.ts";

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
export class SocketSource extends StreamSource {
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
    return { ...inspectFd(native, fd, "socket"), buffered: socket.readableLength };
  }

  #withoutFd(reason: string): Endpoint {
    return { ...super.inspect(reason), name: "socket", withoutFd: reason };
  }

  override stop(): void {
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
    if (this.#stopped) this.stop();
    return chunk;
  }

  override watch(closed: (error?: unknown) => void): void {
    this.#onClose = () => closed(this.#socket.errored);
    this.#socket.once("close", this.#onClose);
  }

  override end(broken: boolean): undefined {
    if (this.#onClose !== undefined) this.#socket.off("close", this.#onClose);
    if (broken) this.#socket.destroy();
    super.end(broken);
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
