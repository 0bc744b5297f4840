/**
 * Node sends a file to a socket of node:net, by the way that it is told. The protocol is that of bench/c/sender.c.
 *
 *   node.js FILE WAY
 */
import { createReadStream, openSync, read, readSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import process from "node:process";
import { promisify } from "node:util";
import { announce, order, requestsIn } from "./order.ts";

type Send = (socket: Socket, bytes: number) => Promise<unknown>;

const fd = openSync(order.file, "r");
const readAt = promisify(read);

const streams =
  (highWaterMark: number): Send =>
  (socket, bytes) =>
    // Not stream.pipeline: on a socket that stays open it leaves listeners behind.
    new Promise((resolve, reject) => {
      const stream = createReadStream("", { fd, autoClose: false, start: 0, end: bytes - 1, highWaterMark });
      stream.once("error", reject).once("end", () => resolve(undefined));
      stream.pipe(socket, { end: false });
    });

const loopBytes = 2 ** 20;

/** The strongest form of reading and writing: one buffer, no stream, and never more under way than one write. */
function loop(fill: (buffer: Buffer, length: number, position: number) => number | Promise<number>): Send {
  const buffer = Buffer.allocUnsafeSlow(loopBytes);
  return async (socket, bytes) => {
    for (let at = 0; at < bytes;) {
      const got = await fill(buffer, Math.min(loopBytes, bytes - at), at);
      if (got === 0) throw new Error("The file is too short");
      at += got;
      await new Promise<void>((resolve, reject) => {
        socket.write(buffer.subarray(0, got), (error) => (error ? reject(error) : resolve()));
      });
    }
  };
}

/** Sluice is loaded only where it is used: the others are Node alone. */
async function byTransfer(strategy: string): Promise<Send> {
  const { transfer } = await import("sluice");
  const chosen = { strategy: strategy as "auto" };
  return (socket, length) => transfer(fd, socket, { length, ...chosen });
}

const ways: Readonly<Record<string, Send>> = {
  streams: streams(64 * 1024),
  "streams-1M": streams(2 ** 20),
  read: loop(async (buffer, length, position) => (await readAt(fd, buffer, 0, length, position)).bytesRead),
  "read-sync": loop((buffer, length, position) => readSync(fd, buffer, 0, length, position)),
};

const send = ways[order.way] ?? (await byTransfer(order.way));

const server = createServer({ noDelay: true }, (socket) => {
  const fail = (error: Error) => void socket.destroy(error);
  socket.on("error", (error) => console.error(error));
  socket.on("data", (chunk) => {
    for (const bytes of requestsIn(chunk)) send(socket, bytes).catch(fail);
  });
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  if (address !== null && typeof address === "object") announce(address.port);
});
process.once("SIGTERM", () => process.exit());
