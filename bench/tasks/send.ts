/** One mechanism sends one file to one or more readers, and tells what that cost the process. */
import { createReadStream } from "node:fs";
import type { Socket } from "node:net";
import { type Cost, startMeter } from "../support/meter.ts";
import { type Delay, watchEventLoop } from "../support/event-loop.ts";
import { mark } from "../support/trace.ts";
import { acceptConnections, acknowledgement } from "./accept.ts";

/** `streams` is createReadStream().pipe(socket); the others are strategies of transfer(). */
export type Mechanism = "streams" | "portable" | "auto" | "sendfile" | "splice" | "mapped" | "buffered";

export interface SendInput {
  readonly file: string;
  readonly mechanism: Mechanism;
  readonly connections: number;
  /** Bytes sent before the measurement, so that code is compiled and threads are there. 0: none. */
  readonly warmupBytes: number;
  /** Bytes of the file sent on each connection. */
  readonly bytes: number;
  /** Watching the event loop wakes the process every millisecond, so figures of cost come from other runs. */
  readonly watchDelay: boolean;
}

export interface SendOutput {
  readonly cost: Cost;
  /** Beyond the interval of the sampling timer. */
  readonly delay: Delay | undefined;
  /** The engine's own count; undefined for streams. */
  readonly syscalls: number | undefined;
}

type Send = (file: string, socket: Socket, bytes: number) => Promise<number | undefined>;

function sendByStreams(file: string, socket: Socket, bytes: number): Promise<undefined> {
  return new Promise((resolve, reject) => {
    const stream = createReadStream(file, { end: bytes - 1 });
    stream.on("error", reject).on("end", () => resolve(undefined));
    stream.pipe(socket, { end: false });
  });
}

/** Sluice is loaded only where it is used: the streams row is Node alone. */
async function senderFor(mechanism: Mechanism): Promise<Send> {
  if (mechanism === "streams") return sendByStreams;
  const { transfer } = await import("sluice");
  return async (file, socket, bytes) => (await transfer(file, socket, { length: bytes, strategy: mechanism })).syscalls;
}

async function sendToAll(
  sender: Send,
  file: string,
  sockets: readonly Socket[],
  bytes: number,
): Promise<number | undefined> {
  const counts = await Promise.all(
    sockets.map(async (socket) => {
      const arrived = acknowledgement(socket);
      const [syscalls] = await Promise.all([sender(file, socket, bytes), arrived]);
      return syscalls;
    }),
  );
  return counts.reduce((sum, count) => (sum === undefined || count === undefined ? undefined : sum + count));
}

export async function send(input: SendInput, announce: (port: number) => void): Promise<SendOutput> {
  const sender = await senderFor(input.mechanism);
  const sockets = await acceptConnections(input.connections, announce);
  if (input.warmupBytes > 0) await sendToAll(sender, input.file, sockets, input.warmupBytes);
  const stopWatching = input.watchDelay ? await watchEventLoop() : undefined;
  const stopMeter = startMeter();
  mark("begin");
  const syscalls = await sendToAll(sender, input.file, sockets, input.bytes);
  mark("end");
  const cost = stopMeter();
  const delay = await stopWatching?.();
  for (const socket of sockets) socket.destroy();
  return { cost, delay, syscalls };
}
