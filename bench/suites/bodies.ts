/** Bodies in numbers: 32 large ones at once, small ones on one warm connection, and ten thousand after each other. */
import type { Mechanism, SendOutput } from "../subjects/sending.ts";
import { scratchFile } from "../support/files.ts";
import { helper, start } from "../support/programs.ts";
import { type Row, rowsOrReason, section, type Suite } from "../support/rows.ts";
import { alternate, figure, median, pairedRatio } from "../support/stats.ts";
import { runTask } from "../support/task.ts";

const connections = 32;
const largeBytes = 64 * 2 ** 20;
const warmupBytes = 2 ** 20;

async function sendFromNode(file: string, mechanism: Mechanism): Promise<SendOutput> {
  const reader = await helper("reader");
  const input = { file, mechanism, connections, warmupBytes, bytes: largeBytes, watchDelay: true };
  return runTask("send", input, {
    onPort: (port) => start(reader, [port, connections, warmupBytes, largeBytes].map(String)).output,
  });
}

async function measureDelay(rounds: number, progress: (text: string) => void): Promise<Row[]> {
  const file = await scratchFile(largeBytes);
  const samples = await alternate(
    { "transfer()": () => sendFromNode(file, "auto"), streams: () => sendFromNode(file, "streams") },
    rounds,
    (name, round) => progress(`${connections} at once: ${name}, round ${round + 1}`),
  );
  return (["transfer()", "streams"] as const).map((name) => {
    const outputs = samples[name];
    const worst = figure(outputs.map(({ delay }) => delay?.worstMs ?? Number.NaN));
    const rate = figure(outputs.map(({ cost }) => (connections * largeBytes) / cost.wallNs));
    return {
      question: `event-loop delay p99, ${name}`,
      unit: "ms",
      figure: figure(outputs.map(({ delay }) => delay?.p99Ms ?? Number.NaN)),
      ...(name === "transfer()" && { target: 5 }),
      detail: `worst ${worst.median.toFixed(1)} ms; ${rate.median.toFixed(2)} GB/s in all`,
    };
  });
}

export const concurrent: Suite = async ({ rounds, progress }) => [
  section(
    `${connections} transfers of 64 MiB at once`,
    await rowsOrReason("event-loop delay", () => measureDelay(rounds, progress)),
  ),
];

const size = 4096;
const requests = 2000;
const methods = ["auto", "read", "readSync"] as const;

/** Median and 99th percentile of each round, in microseconds. */
interface Latencies {
  readonly medians: number[];
  readonly p99s: number[];
}

async function latencies(rounds: number): Promise<Record<(typeof methods)[number], Latencies>> {
  const file = await scratchFile(size);
  const pinger = await helper("pinger");
  let output: Promise<string> | undefined;
  await runTask(
    "smallBody",
    { file, methods, largestBytes: size },
    {
      onPort: (port) => (output = start(pinger, [port, rounds, requests, methods.length, size].map(String)).output),
      timeoutMs: 600_000,
    },
  );
  const found = { auto: blank(), read: blank(), readSync: blank() };
  for (const line of ((await output) ?? "").trim().split("\n")) {
    const [, , method = -1, middle, p99] = line.split(" ").map(Number);
    const name = methods[method];
    if (name === undefined || middle === undefined || p99 === undefined) throw new Error(`pinger printed ${line}`);
    found[name].medians.push(middle / 1000);
    found[name].p99s.push(p99 / 1000);
  }
  return found;
}

const blank = (): Latencies => ({ medians: [], p99s: [] });

async function measureLatency(rounds: number, progress: (text: string) => void): Promise<Row[]> {
  progress(`${size} bytes on a warm connection, ${rounds} rounds of ${requests}`);
  const found = await latencies(rounds);
  const told = ({ medians, p99s }: Latencies) => `${median(medians).toFixed(1)} µs (p99 ${median(p99s).toFixed(0)} µs)`;
  return (["read", "readSync"] as const).map((name) => ({
    question: `latency of transfer() / fs.${name} + socket.write`,
    unit: "×",
    figure: pairedRatio(found.auto.medians, found[name].medians),
    ...(name === "read" && { target: 1.2 }),
    detail: `transfer() ${told(found.auto)}; ${name} ${told(found[name])}`,
  }));
}

export const smallBody: Suite = async ({ rounds, progress }) => [
  section(
    `${size} bytes to one warm connection, ${requests} requests a round`,
    await rowsOrReason("latency", () => measureLatency(rounds, progress)),
  ),
];

const bodies = [4096, 300 * 1024] as const;
const warmup = 10_000;
const transfers = 10_000;

async function measureLeftovers(): Promise<Row[]> {
  const file = await scratchFile(Math.max(...bodies));
  const reader = await helper("reader");
  const bytesOf = (count: number) => bodies.reduce((sum, body) => sum + body * (count / bodies.length), 0);
  const { before, after } = await runTask(
    "endurance",
    { file, bodies, warmup, transfers },
    {
      // V8 lets its young generation grow for minutes; held small, what is left to grow is ours.
      nodeOptions: ["--expose-gc", "--max-semi-space-size=1"],
      onPort: (port) => start(reader, [port, 1, bytesOf(warmup), bytesOf(transfers)].map(String)).output,
    },
  );
  const mebibytes = (bytes: number) => bytes / 2 ** 20;
  return [
    {
      question: "descriptors more than before",
      unit: "fds",
      figure: figure([after.fds - before.fds]),
      target: 0,
      detail: `${before.fds} before, ${after.fds} after`,
    },
    {
      question: "resident memory more than before",
      unit: "MiB",
      figure: figure([mebibytes(after.rssBytes - before.rssBytes)]),
      target: 4,
      detail: `${mebibytes(before.rssBytes).toFixed(1)} MiB before, ${mebibytes(after.rssBytes).toFixed(1)} after`,
    },
  ];
}

export const endurance: Suite = async ({ progress }) => {
  progress(`${transfers} transfers`);
  const title = `${transfers} transfers of 4 and 300 KiB, after ${warmup} to warm up`;
  return [section(title, await rowsOrReason("descriptors and memory", measureLeftovers))];
};
