/** Real connections, with a peer that reads only when the test says so. */
import { once } from "node:events";
import * as net from "node:net";
import type { Readable } from "node:stream";
import { collect } from "../../support/data.ts";

export interface Connection extends Disposable {
  /** The accepted end: what transfers are made to or from. */
  readonly socket: net.Socket;
  /** The connecting end, paused. */
  readonly peer: net.Socket;
}

/** Where a connection goes: a loopback TCP port by default, a Unix socket when a path is given. */
export async function connect(path?: string, address?: string): Promise<Connection> {
  await using host = await listen(path, address);
  return await host.connect();
}

export interface Host extends AsyncDisposable {
  readonly server: net.Server;
  /** Makes one more connection. One call at a time: accepted sockets are told apart by their order alone. */
  connect(): Promise<Connection>;
}

/** A server whose sockets, like their peers, keep their other half open when one is ended. */
export async function listen(path?: string, host = "127.0.0.1"): Promise<Host> {
  const server = net.createServer({ allowHalfOpen: true });
  server.listen(path === undefined ? { port: 0, host } : { path });
  await once(server, "listening");
  return {
    server,
    async connect() {
      const address = server.address();
      if (address === null) throw new Error("The server is not listening");
      const peer = new net.Socket({ allowHalfOpen: true });
      peer.pause();
      const accepted = once(server, "connection");
      peer.connect(typeof address === "string" ? { path: address } : { port: address.port, host });
      const [[socket]] = (await Promise.all([accepted, once(peer, "connect")])) as unknown as [[net.Socket], unknown];
      return {
        socket,
        peer,
        [Symbol.dispose]() {
          socket.destroy();
          peer.destroy();
        },
      };
    },
    async [Symbol.asyncDispose]() {
      server.close();
    },
  };
}

/** Reads exactly `length` bytes and leaves the stream paused, the rest unread. */
export async function readExactly(stream: Readable, length: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for (let missing = length; missing > 0;) {
    const chunk = stream.read() as Buffer | null;
    if (chunk === null) {
      if (stream.readableEnded || stream.destroyed) throw new Error(`The stream ended ${missing} bytes early`);
      const heard = new AbortController();
      const { signal } = heard;
      await Promise.race([once(stream, "readable", { signal }), once(stream, "end", { signal })]);
      heard.abort();
      continue;
    }
    if (chunk.length > missing) stream.unshift(chunk.subarray(missing));
    chunks.push(chunk.subarray(0, missing));
    missing -= chunk.length;
  }
  return Buffer.concat(chunks);
}

/** Lets `act` use a connected socket, ends it, and answers what arrived at the other end. */
export async function arrivals<T>(
  act: (socket: net.Socket) => Promise<T>,
  path?: string,
): Promise<{ result: T; received: Buffer }> {
  using link = await connect(path);
  const received = collect(link.peer);
  // Where `act` fails, that is what the test hears of; the connection breaks off because of it.
  received.catch(() => undefined);
  const result = await act(link.socket);
  link.socket.end();
  return { result, received: await received };
}
