/** What the runtime reads of a socket while somebody of ours is its only reader. */
import type { Socket } from "node:net";
import { TransferError } from "../../core/error.ts";
import type { Runtime } from "../runtime.ts";
import { shadow } from "../support/shadow.ts";

/** Whether the runtime has read the end, be it that 'end' has not been told of yet. */
function hasEnded(socket: Socket): boolean {
  const { _readableState: state } = socket as Socket & { readonly _readableState?: { readonly ended?: boolean } };
  return socket.readableEnded || state?.ended === true;
}

/**
 * From its making to its release nothing comes to the stream's own buffer, nor to listeners of 'data' and 'readable': what the
 * buffer held, and what the runtime pushes, waits here in its order. So neither resume() nor read(), by whomever, takes a byte.
 */
export class Intake {
  readonly #socket: Socket;
  readonly #runtime: Runtime;
  readonly #chunks: Uint8Array[] = [];
  readonly #restores: readonly (() => void)[];
  readonly #wasFlowing: boolean;
  #length = 0;
  #received = 0;
  /** Whether the end was pushed, and kept from the stream. */
  #holdsEnd = false;
  /** Whether the stream's buffer has its last byte still: an ended stream without bytes would tell of its end. */
  #leftLast = false;
  /** Whether the stream may be waiting for what has come to us. */
  #asked = false;
  #isOver = false;
  #waits = false;
  #askedLater = false;
  #wake: () => void = () => {};

  constructor(socket: Socket, runtime: Runtime) {
    this.#runtime = runtime;
    this.#socket = socket;
    this.#wasFlowing = socket.readableFlowing === true && !socket.destroyed;
    if (this.#wasFlowing) socket.pause();
    if (socket.readableLength > 0 && !socket.destroyed) this.#empty();
    this.#checkEnd();
    const { push, pause } = socket;
    this.#restores = [
      shadow(socket, "push", (chunk: unknown, encoding?: BufferEncoding) =>
        this.#isOver ? push.call(socket, chunk, encoding) : this.#take(chunk, encoding),
      ),
      // Bun's and Deno's stop the handle.
      shadow(socket, "pause", () => {
        pause.call(socket);
        if (this.#waits) this.#ask();
        return socket;
      }),
    ];
    // Deno's pause() stops the reading as well, by which a reset is heard of.
    if (this.#wasFlowing) this.#ask();
  }

  /** Bytes that wait. */
  get length(): number {
    return this.#length;
  }

  /** Bytes that have ever come. */
  get received(): number {
    return this.#received;
  }

  /** Whether nothing will come after what waits. */
  get ended(): boolean {
    return this.#holdsEnd || hasEnded(this.#socket);
  }

  /** Makes the runtime read, up to what a stream holds: it hears of a reset only so. */
  listen(): void {
    this.#ask();
  }

  /** At most `max` bytes, when there are some; undefined at the end. */
  async read(max: number): Promise<Uint8Array | undefined> {
    const socket = this.#socket;
    for (;;) {
      const chunk = this.#shift(max);
      if (chunk !== undefined) return chunk;
      if (this.#isOver || this.ended) return undefined;
      if (socket.errored) throw socket.errored;
      if (socket.destroyed)
        throw new TransferError("Cannot send socket: it was closed before its end", { code: "ERR_SLUICE_CLOSED" });
      this.#ask();
      this.#askLater();
      await this.#event();
    }
  }

  /** Everything that waits. */
  takeAll(): Uint8Array {
    const all = this.#chunks.length === 1 ? this.#chunks[0] : undefined;
    const bytes = all ?? Buffer.concat(this.#chunks);
    this.#chunks.length = 0;
    this.#consumed(bytes.byteLength);
    return bytes;
  }

  /** Gives the stream what is left, and its end. */
  release(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const restore of this.#restores) restore();
    this.#wake();
    if (this.#socket.destroyed) return;
    this.#giveBack();
    if (this.#wasFlowing) this.#socket.resume();
  }

  #giveBack(): void {
    const socket = this.#socket;
    const rest = Buffer.concat(this.#chunks);
    const unread = this.#leftLast ? rest.subarray(0, -1) : rest;
    if (unread.length > 0 && !socket.readableEnded) socket.unshift(unread);
    if (this.#holdsEnd) {
      socket.push(null);
      socket.read(0);
    } else if (this.#asked && !hasEnded(socket)) socket._read(socket.readableHighWaterMark);
  }

  /** Empties the stream's own buffer. Reading it would show it to listeners of 'data', too. */
  #empty(): void {
    const socket = this.#socket;
    this.#silently(() => {
      for (let chunk: unknown; (chunk = socket.read()) !== null;) this.#enter(chunk as Uint8Array);
    });
    this.#asked = true;
    const last = this.#chunks.at(-1);
    this.#leftLast = last !== undefined && hasEnded(socket);
    if (this.#leftLast) socket.unshift(last?.subarray(-1));
  }

  #silently(act: () => void): void {
    const { emit } = this.#socket;
    const restore = shadow(
      this.#socket,
      "emit",
      ((name: string, ...values: unknown[]) =>
        name !== "data" && Reflect.apply(emit, this.#socket, [name, ...values])) as Socket["emit"],
    );
    try {
      act();
    } finally {
      restore();
    }
  }

  /** Whether the runtime may go on reading. */
  #take(chunk: unknown, encoding?: BufferEncoding): boolean {
    this.#asked = true;
    if (chunk === null) this.#end();
    else this.#enter(typeof chunk === "string" ? Buffer.from(chunk, encoding) : (chunk as Uint8Array));
    this.#wake();
    return chunk !== null && this.#length < this.#socket.readableHighWaterMark;
  }

  #end(): void {
    this.#holdsEnd = true;
    this.#checkEnd();
  }

  /** An end that the runtime has taken for one, before or since, may have been a reset. */
  #checkEnd(): void {
    const socket = this.#socket;
    const error = this.ended && !socket.destroyed ? this.#runtime.endedBy?.(socket) : undefined;
    if (error === undefined) return;
    this.#holdsEnd = false;
    socket.destroy(error);
  }

  #enter(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#length += chunk.byteLength;
    this.#received += chunk.byteLength;
  }

  #shift(max: number): Uint8Array | undefined {
    const [first] = this.#chunks;
    if (first === undefined) return undefined;
    const taken = first.subarray(0, max);
    if (taken.byteLength < first.byteLength) this.#chunks[0] = first.subarray(max);
    else this.#chunks.shift();
    this.#consumed(taken.byteLength);
    return taken;
  }

  #consumed(bytes: number): void {
    this.#length -= bytes;
    if (this.#length > 0 || !this.#leftLast) return;
    this.#leftLast = false;
    this.#silently(() => void this.#socket.read());
  }

  /** Makes the runtime read, if it doesn't. */
  #ask(): void {
    const socket = this.#socket;
    this.#asked = true;
    if (!socket.connecting && !socket.destroyed && !this.ended) socket._read(socket.readableHighWaterMark);
  }

  /** Bun stops a handle after 'connect' whose stream is paused by then. */
  #askLater(): void {
    if (this.#askedLater) return;
    this.#askedLater = true;
    setImmediate(() => {
      if (this.#waits) this.#ask();
    });
  }

  #event(): Promise<void> {
    const names = ["end", "close", "error"];
    return new Promise((resolve) => {
      this.#waits = true;
      this.#wake = () => {
        this.#waits = false;
        for (const name of names) this.#socket.off(name, this.#wake);
        this.#wake = () => {};
        resolve();
      };
      for (const name of names) this.#socket.on(name, this.#wake);
    });
  }
}
