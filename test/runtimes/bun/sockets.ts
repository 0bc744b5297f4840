/** Bun's own sockets, each with a peer of node:net that reads only when the test says so. */
import { once } from "node:events";
import * as net from "node:net";
import * as tls from "node:tls";

export type Socket = Bun.Socket<unknown>;

export interface Pair extends Disposable {
  readonly socket: Socket;
  readonly peer: net.Socket;
  /** What Bun handed to the socket's own `data` callback. */
  readonly seen: Buffer[];
  /** Resolves when Bun has told of the end; it may do so before anybody asks. */
  readonly ended: Promise<void>;
}

interface Handled extends Pick<Pair, "seen" | "ended"> {
  readonly socket: Bun.SocketHandler;
  readonly opened: Promise<Socket>;
}

function handler(): Handled {
  const { promise: opened, resolve: open } = Promise.withResolvers<Socket>();
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const seen: Buffer[] = [];
  return { socket: { open, data: (_, chunk) => void seen.push(chunk), end: () => end() }, opened, seen, ended };
}

function pair(socket: Socket, peer: net.Socket, { seen, ended }: Handled): Pair {
  return {
    socket,
    peer,
    seen,
    ended,
    [Symbol.dispose]() {
      socket.terminate();
      peer.destroy();
    },
  };
}

/** A socket that Bun.listen accepted. */
export async function accepted(): Promise<Pair> {
  const handled = handler();
  const { socket, opened } = handled;
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, allowHalfOpen: true, socket });
  const peer = net.connect({ port: listener.port, host: "127.0.0.1", allowHalfOpen: true }).pause();
  const result = pair(await opened, peer, handled);
  listener.stop();
  return result;
}

/** A socket that Bun.connect made. */
export async function connected(): Promise<Pair> {
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as net.AddressInfo;
  const connection = once(server, "connection") as unknown as Promise<[net.Socket]>;
  const handled = handler();
  const { socket } = handled;
  const made = await Bun.connect({ hostname: "127.0.0.1", port, allowHalfOpen: true, socket });
  const [peer] = await connection;
  server.close();
  return pair(made, peer, handled);
}

/** An encrypted one that Bun.listen accepted. */
export async function encrypted(key: string, cert: string): Promise<Pair> {
  const handled = handler();
  const { socket, opened } = handled;
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, tls: { key, cert }, socket });
  const peer = tls.connect({ port: listener.port, host: "127.0.0.1", rejectUnauthorized: false }).pause();
  await once(peer, "secureConnect");
  const result = pair(await opened, peer, handled);
  listener.stop();
  return result;
}

export const kinds = { "Bun.listen": accepted, "Bun.connect": connected } as const;
