/** Latencies of small bodies on one warm connection, for each size and each way to answer. */
import type { Method } from "../tasks/small-body.ts";
import { helper, start } from "./helpers.ts";
import { scratchFile } from "./scratch.ts";
import { runTask } from "./task.ts";

export interface Latencies {
  /** Median of each round, in microseconds. */
  readonly medians: number[];
  /** 99th percentile of each round, in microseconds. */
  readonly p99s: number[];
}

export interface PingPlan {
  readonly methods: readonly Method[];
  readonly sizes: readonly number[];
  readonly rounds: number;
  /** Requests a round, for each size and method. */
  readonly requests: number;
}

/** Latencies by size, then in the order of the methods. */
export async function ping({ methods, sizes, rounds, requests }: PingPlan): Promise<Map<number, Latencies[]>> {
  const largestBytes = Math.max(...sizes);
  const file = await scratchFile(largestBytes);
  const pinger = await helper("pinger");
  let output: Promise<string> | undefined;
  await runTask(
    "smallBody",
    { file, methods, largestBytes },
    {
      onPort: (port) => (output = start(pinger, [port, rounds, requests, methods.length, ...sizes].map(String)).output),
      timeoutMs: 600_000,
    },
  );
  const latencies = new Map(sizes.map((size) => [size, methods.map((): Latencies => ({ medians: [], p99s: [] }))]));
  for (const line of ((await output) ?? "").trim().split("\n")) {
    const [size, , method, median, p99] = line.split(" ").map(Number);
    const place = latencies.get(size ?? -1)?.[method ?? -1];
    if (place === undefined || median === undefined || p99 === undefined) throw new Error(`pinger printed ${line}`);
    place.medians.push(median / 1000);
    place.p99s.push(p99 / 1000);
  }
  return latencies;
}
