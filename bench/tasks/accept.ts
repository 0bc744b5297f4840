/** A listening socket that tells its port, takes a number of connections and goes away. */
import { createServer, type Socket } from "node:net";

export async function acceptConnections(
  count: number,
  announce: (port: number) => void,
  host = "127.0.0.1",
): Promise<Socket[]> {
  const sockets: Socket[] = [];
  const server = createServer({ noDelay: true });
  await new Promise<void>((resolve, reject) => {
    server.on("error", reject);
    server.on("connection", (socket) => {
      sockets.push(socket);
      if (sockets.length === count) resolve();
    });
    server.listen({ port: 0, host, backlog: count }, () => {
      const address = server.address();
      if (address !== null && typeof address === "object") announce(address.port);
    });
  });
  server.close();
  return sockets;
}

/** Resolves at the peer's next byte; rejects when the connection ends instead. Call it before sending. */
export function acknowledgement(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    const ended = (error?: Error) => settle(() => reject(error ?? new Error("The reader closed the connection")));
    const arrived = () => settle(resolve);
    const settle = (then: () => void) => {
      socket.off("data", arrived).off("error", ended).off("close", closed);
      then();
    };
    const closed = () => ended();
    socket.once("data", arrived).once("error", ended).once("close", closed);
  });
}
