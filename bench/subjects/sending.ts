/** Tasks that send to sockets: what a body costs, whether the event loop stays free, and whether anything is left behind. */
import { once } from "node:events";
import { closeSync, createReadStream, openSync, readdirSync, read, readSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { type Cost, type Delay, startMeter, watchEventLoop } from "../support/meter.ts";
import { mark } from "../support/syscalls.ts";

type Announce = (port: number) => void;

/** A listening socket that tells its port, takes a number of connections and goes away. */
export async function acceptConnections(count: number, announce: Announce, host = "127.0.0.1"): Promise<Socket[]> {
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

export async function acceptOne(announce: Announce, host?: string): Promise<Socket> {
  const [socket] = await acceptConnections(1, announce, host);
  if (socket === undefined) throw new Error("No connection was accepted");
  return socket;
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

type SendFile = (file: string, socket: Socket, bytes: number) => Promise<number | undefined>;

function sendByStreams(file: string, socket: Socket, bytes: number): Promise<undefined> {
  return new Promise((resolve, reject) => {
    const stream = createReadStream(file, { end: bytes - 1 });
    stream.on("error", reject).on("end", () => resolve(undefined));
    stream.pipe(socket, { end: false });
  });
}

/** Sluice is loaded only where it is used: the streams row is Node alone. */
async function senderFor(mechanism: Mechanism): Promise<SendFile> {
  if (mechanism === "streams") return sendByStreams;
  const { transfer } = await import("sluice");
  return async (file, socket, bytes) => (await transfer(file, socket, { length: bytes, strategy: mechanism })).syscalls;
}

/** One mechanism sends one file to one or more readers, and tells what that cost the process. */
export async function send(input: SendInput, announce: Announce): Promise<SendOutput> {
  const { file, mechanism, connections, warmupBytes, bytes, watchDelay } = input;
  const sendFile = await senderFor(mechanism);
  const sockets = await acceptConnections(connections, announce);
  async function sendToAll(length: number): Promise<number | undefined> {
    const counts = await Promise.all(
      sockets.map(async (socket) => {
        const arrived = acknowledgement(socket);
        const [syscalls] = await Promise.all([sendFile(file, socket, length), arrived]);
        return syscalls;
      }),
    );
    return counts.reduce((sum, count) => (sum === undefined || count === undefined ? undefined : sum + count));
  }
  if (warmupBytes > 0) await sendToAll(warmupBytes);
  const stopWatching = watchDelay ? await watchEventLoop() : undefined;
  const stopMeter = startMeter();
  mark("begin");
  const syscalls = await sendToAll(bytes);
  mark("end");
  const taken = stopMeter();
  const delay = await stopWatching?.();
  for (const socket of sockets) socket.destroy();
  return { cost: taken, delay, syscalls };
}

/** A file and one connection, both closed in the end. */
async function onConnection<T>(
  file: string,
  announce: Announce,
  work: (fd: number, socket: Socket) => Promise<T>,
): Promise<T> {
  const fd = openSync(file, "r");
  try {
    const socket = await acceptOne(announce);
    const result = await work(fd, socket);
    socket.destroy();
    return result;
  } finally {
    closeSync(fd);
  }
}

export type CostMethod = "transfer" | "readSync" | "streams";

export interface CostInput {
  readonly file: string;
  readonly method: CostMethod;
  /** Bytes of a body. */
  readonly bytes: number;
  readonly bodies: number;
}

type SendBody = (fd: number, socket: Socket) => Promise<unknown>;

async function bodySender({ file, method, bytes }: CostInput): Promise<SendBody> {
  if (method === "transfer") {
    const { transfer } = await import("sluice");
    return (fd, socket) => transfer(fd, socket, { length: bytes });
  }
  if (method === "streams")
    return (_, socket) => {
      const stream = createReadStream(file, { end: bytes - 1 });
      stream.pipe(socket, { end: false });
      return once(stream, "close");
    };
  const buffer = Buffer.allocUnsafeSlow(bytes);
  return (fd, socket) =>
    new Promise((resolve) => socket.write(buffer.subarray(0, readSync(fd, buffer, 0, bytes, 0)), resolve));
}

/** What the same body, over and over on one connection, costs the thread that runs the event loop. */
export async function cost(input: CostInput, announce: Announce) {
  const sendBody = await bodySender(input);
  return onConnection(input.file, announce, async (fd, socket) => {
    const arrived = acknowledgement(socket);
    // Compiled code is what a server runs.
    for (let body = 0; body < input.bodies / 4; body++) await sendBody(fd, socket);
    const stop = startMeter();
    for (let body = 0; body < input.bodies; body++) await sendBody(fd, socket);
    const { mainThreadNs } = stop();
    await arrived;
    /** Microseconds of the main thread a body; undefined where the kernel doesn't tell. */
    return { mainUs: mainThreadNs === undefined ? undefined : mainThreadNs / 1000 / input.bodies };
  });
}

/** `read` and `readSync` are node:fs and socket.write; `auto` is transfer(). */
export type BodyMethod = "read" | "readSync" | "auto";

export interface SmallBodyInput {
  readonly file: string;
  /** In the order of the numbers that requests carry. */
  readonly methods: readonly BodyMethod[];
  readonly largestBytes: number;
}

type Respond = (socket: Socket, bytes: number) => void;

/** Answers requests for small bodies on one warm connection, each by the method that the request names. */
export async function smallBody({ file, methods, largestBytes }: SmallBodyInput, announce: Announce): Promise<void> {
  const { transfer } = await import("sluice");
  // One body is out at a time, so Node's own rows may use one buffer for all: the strongest form they have.
  const buffer = Buffer.allocUnsafeSlow(largestBytes);
  const answersOf = (fd: number): Readonly<Record<BodyMethod, Respond>> => ({
    read(socket, bytes) {
      read(fd, buffer, 0, bytes, 0, (error, count) => {
        if (error) socket.destroy(error);
        else socket.write(buffer.subarray(0, count));
      });
    },
    readSync(socket, bytes) {
      socket.write(buffer.subarray(0, readSync(fd, buffer, 0, bytes, 0)));
    },
    auto(socket, length) {
      transfer(fd, socket, { length }).catch((error: Error) => void socket.destroy(error));
    },
  });
  return onConnection(file, announce, async (fd, socket) => {
    const table = answersOf(fd);
    const byNumber = methods.map((name) => table[name]);
    socket.on("data", (request) => byNumber[request.readUInt32LE(0)]?.(socket, request.readUInt32LE(4)));
    await once(socket, "close");
  });
}

export interface EnduranceInput {
  readonly file: string;
  /** Sizes of the bodies, taken in turn: some go inline, some through the engine. */
  readonly bodies: readonly number[];
  /** Transfers before the first look; a multiple of the number of bodies. */
  readonly warmup: number;
  readonly transfers: number;
}

/** Collects first (--expose-gc), so that garbage isn't taken for a leak. */
function holdings(): { fds: number; rssBytes: number } {
  globalThis.gc?.();
  return { fds: readdirSync("/proc/self/fd").length, rssBytes: process.memoryUsage.rss() };
}

/** Many transfers after each other: do descriptors and memory stay where they were? */
export async function endurance({ file, bodies, warmup, transfers }: EnduranceInput, announce: Announce) {
  const { transfer } = await import("sluice");
  return onConnection(file, announce, async (fd, socket) => {
    const run = async (count: number) => {
      const arrived = acknowledgement(socket);
      for (let i = 0; i < count; i++) await transfer(fd, socket, { length: bodies[i % bodies.length] });
      await arrived;
      return holdings();
    };
    return { before: await run(warmup), after: await run(transfers) };
  });
}
