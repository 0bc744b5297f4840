/** Every kind of source and target, ready to give or take one content. */
import * as fs from "node:fs";
import { join } from "node:path";
import type { Source, Target } from "sluice";
import { collect } from "../../support/data.ts";
import { type Connection, connect } from "./connection.ts";
import { pipe } from "./descriptors.ts";

export interface Origin extends Disposable {
  readonly from: Source;
  /** Supplies what is not there yet, for sources that hold less than the content. */
  feed(): Promise<void>;
}

export interface Destination extends Disposable {
  readonly to: Target;
  /** Closes the target and answers all that arrived. */
  received(): Promise<Buffer>;
}

/** Makes an end in a folder. */
type Make<T> = (folder: string) => Promise<T>;

/** Calls a non-blocking read or write until it need not wait, and answers its count. */
async function whenReady(call: () => number): Promise<number> {
  for (;;) {
    try {
      return call();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
}

/**
 * Writes all of it to a non-blocking descriptor and closes that. In pieces that a pipe takes as a whole or not
 * at all (PIPE_BUF): some runtimes finish a short write by themselves and lose count when the rest says EAGAIN.
 */
export async function feedPipe(writer: number, content: Buffer): Promise<void> {
  for (let at = 0; at < content.length;) {
    const piece = content.subarray(at, at + 4096);
    at += await whenReady(() => fs.writeSync(writer, piece));
  }
  fs.closeSync(writer);
}

/** Reads a non-blocking descriptor to its end and closes it. */
export async function drainPipe(reader: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for (;;) {
    const chunk = Buffer.alloc(50_000);
    const count = await whenReady(() => fs.readSync(reader, chunk));
    if (count === 0) break;
    chunks.push(chunk.subarray(0, count));
  }
  fs.closeSync(reader);
  return Buffer.concat(chunks);
}

/** Reads `length` bytes from a non-blocking descriptor, which answers 0 while nobody has opened it for writing. */
export async function readPipe(reader: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length;) {
    const count = await whenReady(() => fs.readSync(reader, bytes, at, length - at, null));
    at += count;
    if (count === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return bytes;
}

function fromSocket(link: Connection, content: Buffer): Origin {
  link.peer.end(content);
  return { from: link.socket, feed: async () => undefined, [Symbol.dispose]: () => link[Symbol.dispose]() };
}

/** Sources by kind, each of which gives `content`. */
export const origins: Readonly<Record<"file" | "pipe" | "tcp" | "unix", (content: Buffer) => Make<Origin>>> = {
  file: (content) => async (folder) => {
    const from = join(folder, "source");
    fs.writeFileSync(from, content);
    return { from, feed: async () => undefined, [Symbol.dispose]: () => undefined };
  },
  pipe: (content) => async (folder) => {
    const { reader, writer } = pipe(folder, { nonblocking: true });
    return {
      from: reader,
      feed: () => feedPipe(writer, content),
      [Symbol.dispose]: () => fs.closeSync(reader),
    };
  },
  tcp: (content) => async () => fromSocket(await connect(), content),
  unix: (content) => async (folder) => fromSocket(await connect(join(folder, "left")), content),
};

function toSocket(link: Connection): Destination {
  const received = collect(link.peer);
  return {
    to: link.socket,
    received: async () => {
      link.socket.end();
      return await received;
    },
    [Symbol.dispose]: () => link[Symbol.dispose](),
  };
}

function toFd(folder: string, flags: "w" | "a"): Destination {
  const path = join(folder, "target");
  const to = fs.openSync(path, flags);
  return {
    to,
    received: async () => fs.readFileSync(path),
    [Symbol.dispose]: () => fs.closeSync(to),
  };
}

/** Targets by kind. */
export const destinations: Readonly<Record<"path" | "fd" | "append" | "pipe" | "tcp" | "unix", Make<Destination>>> = {
  path: async (folder) => {
    const to = join(folder, "target");
    return {
      to,
      received: async () => (fs.existsSync(to) ? fs.readFileSync(to) : Buffer.alloc(0)),
      [Symbol.dispose]: () => undefined,
    };
  },
  fd: async (folder) => toFd(folder, "w"),
  append: async (folder) => toFd(folder, "a"),
  pipe: async (folder) => {
    const { reader, writer } = pipe(folder, { nonblocking: true });
    const received = drainPipe(reader);
    return {
      to: writer,
      received: async () => {
        fs.closeSync(writer);
        return await received;
      },
      [Symbol.dispose]: () => undefined,
    };
  },
  tcp: async () => toSocket(await connect()),
  unix: async (folder) => toSocket(await connect(join(folder, "right"))),
};
