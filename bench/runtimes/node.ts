/** Node sends a file to a socket of node:net. */
import { createReadStream } from "node:fs";
import type { Socket } from "node:net";
import { pipeline } from "node:stream/promises";
import { transfer } from "sluice";
import { acceptConnections, acknowledgement } from "../tasks/accept.ts";
import { announce, chosen, sample } from "./sample.ts";

const send = chosen<(path: string, socket: Socket) => Promise<unknown>>({
  transfer,
  streams: (path, socket) => pipeline(createReadStream(path), socket, { end: false }),
});

const [socket] = await acceptConnections(1, announce);
if (socket === undefined) throw new Error("No connection was accepted");
await sample(async (path) => {
  const arrived = acknowledgement(socket);
  await send(path, socket);
  await arrived;
});
socket.destroy();
