/**
 * A log served the way Kafka serves it: `node build/examples/kafka-log/main.js [OPTIONS] [FOLDER [PORT]]`
 *
 *     --host ADDRESS      where to listen (127.0.0.1)
 *     --partitions N      of a topic when it is first named (3)
 *     --segment-bytes N   when a new file is begun (67108864)
 *     --connections N     at a time; more are closed at once (1000)
 *     --idle-seconds N    after which a connection is closed on which nothing moves (600)
 *     --memory-mib N      for all requests that are coming in or wait for their answers (256)
 */
import { type AddressInfo, createServer, type Socket } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import type { Report } from "sluice";
import { CommittedOffsets } from "./committed.ts";
import { serve } from "./connection.ts";
import { Groups } from "./groups.ts";
import { RequestMemory } from "./requests.ts";
import { Topics } from "./topics.ts";
import { ProtocolError } from "./wire.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    host: { type: "string", default: "127.0.0.1" },
    partitions: { type: "string", default: "3" },
    "segment-bytes": { type: "string", default: String(64 * 2 ** 20) },
    connections: { type: "string", default: "1000" },
    "idle-seconds": { type: "string", default: "600" },
    "memory-mib": { type: "string", default: "256" },
  },
});
const [folder = "kafka-log", port = "9092"] = positionals;

function wholeNumber(name: Exclude<keyof typeof values, "host">, most: number): number {
  const number = Number(values[name]);
  if (!Number.isInteger(number) || number < 1 || number > most)
    throw new RangeError(`--${name} takes a whole number from 1 to ${most}, got ${values[name]}`);
  return number;
}

/** What of the log was sent, by what moved it, and whether the CPU copied it: "unknown" where only the network card can tell. */
const sent = new Map<string, { bytes: number; copied: Report["copied"] }>();

function onReport({ attempts, bytes, copied }: Report): void {
  const means = attempts.flatMap((attempt) => (attempt.bytes > 0 ? attempt.strategy : [])).join("+");
  if (bytes > 0) sent.set(means, { bytes: (sent.get(means)?.bytes ?? 0) + bytes, copied });
}

const connections = wholeNumber("connections", 100_000);
const topics = await Topics.open(folder, {
  partitions: wholeNumber("partitions", 1000),
  segmentBytes: wholeNumber("segment-bytes", 2 ** 30),
});
const shared = {
  topics,
  committed: await CommittedOffsets.open(join(folder, "committed-offsets.json")),
  groups: new Groups(),
  memory: new RequestMemory(wholeNumber("memory-mib", 2 ** 20) * 2 ** 20),
  idleMs: 1000 * wholeNumber("idle-seconds", 86_400),
  onReport,
};
const sockets = new Set<Socket>();

const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
  if (sockets.size >= connections) return void socket.destroy();
  sockets.add(socket);
  socket.once("close", () => sockets.delete(socket));
  socket.on("error", () => {}); // `serve` hears of it, too.
  serve(socket, shared).catch((error: unknown) => {
    if (error instanceof ProtocolError) console.error(`${error.message}: the connection is closed`);
    else if (!socket.destroyed) console.error(String(error));
    socket.destroy();
  });
});

server.listen(Number(port), values.host, () => {
  const { address, port: bound } = server.address() as AddressInfo;
  console.log(`kafka://${address}:${bound}`);
});

/** Ends in good order. A kill does no harm, but leaves more to be looked at when the broker starts again. */
async function stop(): Promise<void> {
  server.close();
  for (const socket of sockets) socket.destroy();
  await topics.close();
  for (const [means, { bytes, copied }] of sent) console.log(`sent ${bytes} bytes by ${means}, copied: ${copied}`);
}

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void stop());
