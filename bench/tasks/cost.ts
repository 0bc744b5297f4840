/** What a transfer costs the thread that runs the event loop: the same body over and over, on one connection. */
import { once } from "node:events";
import { closeSync, createReadStream, openSync, readSync } from "node:fs";
import type { Socket } from "node:net";
import { startMeter } from "../support/meter.ts";
import { acceptConnections, acknowledgement } from "./accept.ts";

export type CostMethod = "transfer" | "readSync" | "streams";

export interface CostInput {
  readonly file: string;
  readonly method: CostMethod;
  /** Bytes of a body. */
  readonly bytes: number;
  readonly bodies: number;
}

export interface CostOutput {
  /** Microseconds of the main thread a body; undefined where the kernel doesn't tell. */
  readonly mainUs: number | undefined;
  readonly wallUs: number;
}

type SendBody = (socket: Socket) => Promise<unknown>;

async function sender({ file, method, bytes }: CostInput, fd: number): Promise<SendBody> {
  if (method === "transfer") {
    const { transfer } = await import("sluice");
    return (socket) => transfer(fd, socket, { length: bytes });
  }
  if (method === "streams")
    return (socket) => {
      const stream = createReadStream(file, { end: bytes - 1 });
      stream.pipe(socket, { end: false });
      return once(stream, "close");
    };
  const buffer = Buffer.allocUnsafeSlow(bytes);
  return (socket) =>
    new Promise((resolve) => socket.write(buffer.subarray(0, readSync(fd, buffer, 0, bytes, 0)), resolve));
}

export async function cost(input: CostInput, announce: (port: number) => void): Promise<CostOutput> {
  const fd = openSync(input.file, "r");
  try {
    const send = await sender(input, fd);
    const [socket] = await acceptConnections(1, announce);
    if (socket === undefined) throw new Error("No connection was accepted");
    const arrived = acknowledgement(socket);
    // Compiled code is what a server runs.
    for (let body = 0; body < input.bodies / 4; body++) await send(socket);
    const stop = startMeter();
    for (let body = 0; body < input.bodies; body++) await send(socket);
    const { mainThreadNs, wallNs } = stop();
    await arrived;
    socket.destroy();
    return {
      mainUs: mainThreadNs === undefined ? undefined : mainThreadNs / 1000 / input.bodies,
      wallUs: wallNs / 1000 / input.bodies,
    };
  } finally {
    closeSync(fd);
  }
}
