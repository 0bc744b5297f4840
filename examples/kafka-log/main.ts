/**
 * A log served the way Kafka serves it: `node build/examples/kafka-log/main.js [OPTIONS] [FOLDER [PORT]]`
 *
 *     --host ADDRESS         where to listen (127.0.0.1)
 *     --partitions N         of a topic when it is first named (3)
 *     --segment-bytes N      when a new file is begun (67108864)
 *     --through-javascript   reads into buffers and writes them, to compare
 */
import { type AddressInfo, createServer, type Socket } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { CommittedOffsets } from "./committed.ts";
import { serve } from "./connection.ts";
import { Groups } from "./groups.ts";
import { inKernel, throughJavaScript, type Totals } from "./send.ts";
import { Topics } from "./topics.ts";
import { ProtocolError } from "./wire.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    host: { type: "string", default: "127.0.0.1" },
    partitions: { type: "string", default: "3" },
    "segment-bytes": { type: "string", default: String(64 * 2 ** 20) },
    "through-javascript": { type: "boolean", default: false },
  },
});
const [folder = "kafka-log", port = "9092"] = positionals;

function wholeNumber(name: "partitions" | "segment-bytes", most: number): number {
  const number = Number(values[name]);
  if (!Number.isInteger(number) || number < 1 || number > most)
    throw new RangeError(`--${name} takes a whole number from 1 to ${most}, got ${values[name]}`);
  return number;
}

const options = { partitions: wholeNumber("partitions", 1000), segmentBytes: wholeNumber("segment-bytes", 2 ** 30) };
const topics = await Topics.open(folder, options);
const committed = await CommittedOffsets.open(join(folder, "committed-offsets.json"));
const shared = { topics, committed, groups: new Groups() };
const totals: Totals = new Map();
const send = values["through-javascript"] ? throughJavaScript(totals) : inKernel(totals);
const sockets = new Set<Socket>();

const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
  sockets.add(socket);
  socket.once("close", () => sockets.delete(socket));
  socket.on("error", () => {}); // `serve` hears of it, too.
  serve(socket, shared, send).catch((error: unknown) => {
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
  console.log(`sent ${JSON.stringify(Object.fromEntries(totals))}`);
}

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void stop());
