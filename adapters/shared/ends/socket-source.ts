/** Sockets of node:net as sources. */
import type { Socket } from "node:net";
import type { Native } from "../../../core/abi.ts";
import type { Endpoint } from "../../../core/endpoint.ts";
import { TransferError } from "../../../core/error.ts";
import { inspectFd } from "../inspect.ts";
import type { Runtime } from "../runtime.ts";
import { stayStill } from "../socket-handle.ts";
import { callFailed } from "../system-error.ts";
import { connected } from "./connecting.ts";
import { HeldSocket } from "./held-socket.ts";
import { StreamSource } from "./stream-source.ts";

/**
 * A socket of node:net. What JavaScript has already buffered goes first; then the runtime stops
 * reading and the engine takes the rest. Afterwards the runtime reads on, and finds the end of the stream by itself.
 */
export class SocketSource extends StreamSource {
  readonly #socket: Socket;
  readonly #runtime: Runtime;
  readonly #held: HeldSocket;
  /** Undo of the stop; undefined while the runtime reads. */
  #readAgain: (() => void) | undefined;
  #wasFlowing = false;
  #onClose: (() => void) | undefined;

  constructor(socket: Socket, runtime: Runtime) {
    super(socket);
    this.#socket = socket;
    this.#runtime = runtime;
    this.#held = new HeldSocket(socket, runtime);
  }

  override get fd(): number | undefined {
    return this.#held.fd;
  }

  override open(): Promise<void> | undefined {
    void super.open();
    return connected(this.#socket);
  }

  override inspect(native: Native | string): Endpoint {
    const socket = this.#socket;
    // A socket that nobody connects would be waited for without end.
    if (socket.pending && !socket.destroyed) throw callFailed("send socket", "read", "ENOTCONN");
    if (socket.readableEnded) return this.#withoutFd("the socket has ended");
    if (socket.destroyed) throw new TransferError("Cannot send socket: it is closed", { code: "ERR_SLUICE_CLOSED" });
    if (typeof native === "string") return this.#withoutFd(native);
    const fd = this.#held.hold();
    if (typeof fd === "string") return this.#withoutFd(fd);
    return { ...inspectFd(native, fd, "socket"), buffered: socket.readableLength };
  }

  #withoutFd(reason: string): Endpoint {
    return { ...super.inspect(reason), name: "socket", withoutFd: reason };
  }

  override stop(): void {
    if (this.#readAgain === undefined) {
      this.#wasFlowing = this.#socket.readableFlowing === true;
      if (this.#wasFlowing) this.#socket.pause();
    }
    const readAgain = this.#runtime.stopReading(this.#socket);
    // With its buffer full the stream did not read; taking from the buffer made it, and that is what is to be undone.
    if (this.#readAgain === undefined || this.#readAgain === stayStill) this.#readAgain = readAgain;
  }

  override async read(max: number): Promise<Uint8Array | undefined> {
    const chunk = await super.read(max);
    // Taking from the buffer makes the stream ask the runtime for more.
    if (this.#readAgain !== undefined) this.stop();
    return chunk;
  }

  hearEnd(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }

  override watch(closed: (error?: unknown) => void): void {
    // Bun may tell of the close before what was read to the end has been taken.
    this.#onClose = () => {
      if (!this.#socket.readableEnded) closed(this.#socket.errored);
    };
    this.#socket.once("close", this.#onClose);
  }

  letGo(): void {
    this.#held.letGo();
  }

  override end(broken: boolean): undefined {
    if (this.#onClose !== undefined) this.#socket.off("close", this.#onClose);
    if (broken) this.#socket.destroy();
    super.end(broken);
    this.letGo();
    if (this.#readAgain === undefined || this.#socket.destroyed) return undefined;
    this.#readAgain();
    if (this.#wasFlowing) this.#socket.resume();
    return undefined;
  }
}
