/** A client that is a bare socket and reads when the test says so. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { patienceMs } from "../../support/wait.ts";
import type { App } from "./app.ts";

export interface Head {
  /** Of an answer, or what a client asks for. */
  readonly first: string;
  readonly status: number;
  /** By their names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

export class RawClient implements Disposable {
  readonly socket: Socket;
  /** The code of the error that the socket ended with, once it has. */
  error: string | undefined;

  #wake: () => void = () => undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    for (const event of ["readable", "end", "close"]) socket.on(event, () => this.#wake());
    socket.on("error", (error: NodeJS.ErrnoException) => (this.error = error.code ?? error.message));
    socket.setTimeout(patienceMs, () => socket.destroy(new Error(`Nothing came for ${patienceMs} ms`)));
  }

  static async connect(app: App): Promise<RawClient> {
    const socket = connect({ port: app.port, host: "127.0.0.1" });
    const client = new RawClient(socket);
    await once(socket, "connect");
    return client;
  }

  /** Sends a request for each of the paths, all in one segment. */
  request(...paths: readonly string[]): void {
    this.socket.write(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`).join(""));
  }

  async head(): Promise<Head> {
    let text = "";
    while (!text.endsWith("\r\n\r\n")) text += (await this.read(1)).toString("latin1");
    const [first = "", ...lines] = text.trimEnd().split("\r\n");
    const headers = lines.map((each): [string, string] => {
      const colon = each.indexOf(": ");
      return [each.slice(0, colon).toLowerCase(), each.slice(colon + 2)];
    });
    return { first, status: Number(first.split(" ")[1]), headers: Object.fromEntries(headers) };
  }

  /** The next chunk, at most `limit` bytes; undefined when the connection has ended, in whichever way. */
  async #chunk(limit: number): Promise<Buffer | undefined> {
    for (;;) {
      const chunk = this.socket.read() as Buffer | null;
      if (chunk !== null) {
        if (chunk.length > limit) this.socket.unshift(chunk.subarray(limit));
        return chunk.subarray(0, limit);
      }
      if (this.socket.readableEnded || this.socket.destroyed) return undefined;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** Exactly so many bytes; those behind them stay unread. */
  async read(length: number): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for (let missing = length; missing > 0;) {
      const chunk = await this.#chunk(missing);
      if (chunk === undefined) throw new Error(`The connection ended ${missing} bytes early: ${this.error}`);
      chunks.push(chunk);
      missing -= chunk.length;
    }
    return Buffer.concat(chunks);
  }

  /** Everything until the connection ends, in whichever way. */
  async rest(): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for (let chunk; (chunk = await this.#chunk(Infinity)) !== undefined;) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  /** What comes until nothing has come for a while. */
  async untilQuiet(): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for (let isQuiet = false; !isQuiet;) {
      for (let chunk; (chunk = this.socket.read() as Buffer | null) !== null;) chunks.push(chunk);
      isQuiet = await new Promise<boolean>((resolve) => {
        const timer = setTimeout(resolve, 300, true);
        this.#wake = () => {
          clearTimeout(timer);
          resolve(false);
        };
      });
    }
    return Buffer.concat(chunks);
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}
