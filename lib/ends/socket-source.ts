/** Sockets of node:net as sources. */
import type { Socket } from "node:net";
import type { Native } from "../../core/abi/abi.ts";
import { type Endpoint, endpoint } from "../../core/plan/endpoint.ts";
import { TransferError } from "../../core/error.ts";
import { inspectFd } from "./inspect.ts";
import type { Machine } from "../engine/machine.ts";
import type { Runtime } from "../runtime.ts";
import { callFailed, codeOf } from "../support/system-error.ts";
import { connected } from "./connecting.ts";
import { HeldSocket } from "./held-socket.ts";
import { Intake } from "./intake.ts";
import type { SourceEnd } from "./source.ts";
import { checkGivesBytes } from "./stream-source.ts";
import { turn } from "./turn.ts";

/** What the runtime had counted, and given to the intake, when the engine was to be the only reader. */
interface Mark {
  readonly counted: number;
  readonly received: number;
}

/**
 * A socket of node:net. What JavaScript has read goes first; then the runtime is kept from reading and the engine takes the
 * rest. Afterwards the runtime reads on, and finds the end of the stream by itself.
 */
export class SocketSource implements SourceEnd {
  readonly #socket: Socket;
  readonly #runtime: Runtime;
  readonly #held: HeldSocket;
  readonly #isAdopted: boolean;
  #intake: Intake | undefined;
  /** Lets the runtime read again; undefined while it may. */
  #letRead: (() => void) | undefined;
  #mark: Mark | undefined;
  /** Bytes that the runtime took while the engine was reading. */
  #lost = 0;
  #onClose: (() => void) | undefined;
  /** Failures come out of the transfer's own promise; without a listener they would end the process. */
  readonly #onError = () => {};

  /** @param isAdopted whether the runtime's object will be let go before the engine reads */
  constructor(socket: Socket, runtime: Runtime, isAdopted = false) {
    checkGivesBytes(socket);
    this.#socket = socket;
    this.#runtime = runtime;
    this.#held = new HeldSocket(socket, runtime);
    this.#isAdopted = isAdopted;
  }

  get fd(): number | undefined {
    return this.#held.fd;
  }

  keep(): void {
    // An object stays itself.
  }

  keepReadable(): void {
    // It is read as it is.
  }

  /** Makes all that is read from now on ours. */
  claim(): Intake {
    if (this.#intake === undefined) this.#socket.on("error", this.#onError);
    return (this.#intake ??= new Intake(this.#socket, this.#runtime));
  }

  open(): Promise<void> | undefined {
    this.claim();
    return connected(this.#socket);
  }

  listen(): void {
    this.claim().listen();
  }

  /** A read that the runtime has begun comes to its end in this time; one that is still waiting brings nothing. */
  quiet(): Promise<void> | undefined {
    if (this.#runtime.readsAhead !== true || this.#keepsRuntime !== undefined) return undefined;
    this.#letRead ??= this.#runtime.stopReading(this.#socket);
    return this.hearEnd();
  }

  get #keepsRuntime(): string | undefined {
    return this.#isAdopted ? undefined : this.#runtime.readsSockets;
  }

  async look(machine: Machine): Promise<Endpoint> {
    await connected(this.#socket);
    return this.inspect(machine.native);
  }

  inspect(native: Native | string): Endpoint {
    const socket = this.#socket;
    // A socket that nobody connects would be waited for without end.
    if (socket.pending && !socket.destroyed) throw callFailed("send socket", "read", "ENOTCONN");
    if (socket.readableEnded) return withoutFd("the socket has ended");
    if (socket.destroyed) throw this.#closed();
    if (typeof native === "string") return withoutFd(native);
    const readByRuntime = this.#keepsRuntime;
    const fd = this.#held.hold();
    if (typeof fd === "string") return withoutFd(fd);
    const buffered = this.#intake?.length ?? socket.readableLength;
    return { ...inspectFd(native, fd, "socket"), buffered, ...(readByRuntime !== undefined && { readByRuntime }) };
  }

  #closed(): TransferError {
    const cause = this.#socket.errored ?? undefined;
    const code = codeOf(cause) ?? "ERR_SLUICE_CLOSED";
    return new TransferError(`Cannot send socket: it is closed${cause === undefined ? "" : ` (${code}, read)`}`, {
      code,
      failed: "source",
      cause,
    });
  }

  stop(): void {
    this.#letRead ??= this.#runtime.stopReading(this.#socket);
    this.#mark = { counted: this.#socket.bytesRead, received: this.claim().received };
  }

  read(max: number): Promise<Uint8Array | undefined> {
    const intake = this.claim();
    // The engine has given way to the runtime.
    if (intake.length === 0) this.#release();
    return intake.read(max);
  }

  /** What the runtime has read, and its counter says, beside the engine. */
  #release(): void {
    const { counted, received } = this.#mark ?? { counted: this.#socket.bytesRead, received: this.claim().received };
    this.#lost += Math.max(this.#socket.bytesRead - counted, this.claim().received - received);
    this.#mark = undefined;
    this.#letRead?.();
    this.#letRead = undefined;
  }

  /** @throws TransferError where the runtime, too, has read: those bytes are missing between the others */
  verify(moved: number): void {
    this.#release();
    if (this.#lost > 0)
      throw new TransferError(`Cannot send socket: the runtime read ${this.#lost} bytes of it meanwhile`, {
        code: "ERR_SLUICE_CHANGED",
        failed: "source",
        bytesTransferred: moved,
        bytesStranded: this.#lost,
      });
  }

  hearEnd(): Promise<void> {
    return turn();
  }

  watch(closed: (error?: unknown) => void): void {
    // Bun may tell of the close before what was read to the end has been taken.
    this.#onClose = () => {
      if (this.#intake?.ended !== true && !this.#socket.readableEnded) closed(this.#socket.errored);
    };
    this.#socket.once("close", this.#onClose);
  }

  letGo(): void {
    this.#held.letGo();
  }

  end(broken: boolean): undefined {
    const socket = this.#socket;
    if (this.#onClose !== undefined) socket.off("close", this.#onClose);
    if (broken) socket.destroy();
    this.letGo();
    this.#intake?.release();
    this.#letRead?.();
    this.#letRead = undefined;
    // A stream that has failed may tell of it only later in this turn of the event loop.
    if (!socket.destroyed) socket.off("error", this.#onError);
    return undefined;
  }
}

function withoutFd(reason: string): Endpoint {
  return endpoint({ kind: "stream", name: "socket", fd: false, withoutFd: reason });
}
