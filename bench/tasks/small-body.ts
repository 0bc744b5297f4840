/** Answers requests for small bodies on one warm connection, each by the method that the request names. */
import { once } from "node:events";
import { closeSync, openSync, read, readSync } from "node:fs";
import type { Socket } from "node:net";
import { acceptConnections } from "./accept.ts";

/** `read` and `readSync` are node:fs and socket.write; the others are strategies of transfer(). */
export type Method = "read" | "readSync" | "auto" | "buffered" | "sendfile";

export interface SmallBodyInput {
  readonly file: string;
  /** In the order of the numbers that requests carry. */
  readonly methods: readonly Method[];
  readonly largestBytes: number;
}

type Answer = (socket: Socket, bytes: number) => void;

/** One body is out at a time, so Node's own rows may use one buffer for all: the strongest form they have. */
async function answers(fd: number, largestBytes: number): Promise<Readonly<Record<Method, Answer>>> {
  const { transfer } = await import("sluice");
  const buffer = Buffer.allocUnsafeSlow(largestBytes);
  const fail = (socket: Socket) => (error: Error) => void socket.destroy(error);
  const byTransfer =
    (strategy: "auto" | "buffered" | "sendfile"): Answer =>
    (socket, length) =>
      void transfer(fd, socket, { length, strategy }).catch(fail(socket));
  return {
    read(socket, bytes) {
      read(fd, buffer, 0, bytes, 0, (error, count) => {
        if (error) socket.destroy(error);
        else socket.write(buffer.subarray(0, count));
      });
    },
    readSync(socket, bytes) {
      socket.write(buffer.subarray(0, readSync(fd, buffer, 0, bytes, 0)));
    },
    auto: byTransfer("auto"),
    buffered: byTransfer("buffered"),
    sendfile: byTransfer("sendfile"),
  };
}

export async function smallBody(input: SmallBodyInput, announce: (port: number) => void): Promise<void> {
  const fd = openSync(input.file, "r");
  try {
    const table = await answers(fd, input.largestBytes);
    const byNumber = input.methods.map((name) => table[name]);
    const [socket] = await acceptConnections(1, announce);
    if (socket === undefined) throw new Error("No connection was accepted");
    socket.on("data", (request) => byNumber[request.readUInt32LE(0)]?.(socket, request.readUInt32LE(4)));
    await once(socket, "close");
  } finally {
    closeSync(fd);
  }
}
