/** What serves, whether in this process or in others. */
import cluster from "node:cluster";
import { Counter, Registry } from "prom-client";
import { tellOnce } from "../output.ts";
import type { Report } from "./messages.ts";
import { Place } from "./place.ts";
import type { Program } from "./program.ts";
import type { Snapshot } from "./snapshot.ts";

export interface Service {
  /** Undefined where it isn't known, or there is none. */
  readonly port: number | undefined;
  snapshots(): Promise<readonly Snapshot[]>;
  /** Takes no more connections, and waits for what is under way. */
  stop(): Promise<void>;
}

/** Serves in this process. */
export async function serveHere<O>(program: Program<O>, options: O): Promise<Service> {
  const running = await program.start(options);
  return {
    port: running.port,
    snapshots: async () => (running.metrics === undefined ? [] : [await running.metrics.snapshot()]),
    stop: () => running.close(),
  };
}

/** Serves in workers, which share the address. */
export async function serveByWorkers<O>(program: Program<O>, options: O, count: number): Promise<Service> {
  const shared = await program.share(options);
  const registry = new Registry();
  const replaced = new Counter({
    name: "sluice_workers_replaced_total",
    help: "Workers that ended and were replaced.",
    registers: [registry],
  });
  // All of them have the same stdout.
  cluster.on("message", (_worker, report: Report) => report.kind === "log" && tellOnce(report.line));
  const mission = { options: shared, shutdownMs: program.shutdownMs(options) };
  const places = Array.from({ length: count }, (_, i) => new Place(i + 1, mission, () => replaced.inc()));
  const stop = async () => void (await Promise.all(places.map((place) => place.stop())));
  try {
    await Promise.all(places.map((place) => place.start()));
  } catch (error) {
    await stop();
    throw error;
  }
  for (const place of places) void place.keep();
  return {
    port: program.port(shared),
    async snapshots() {
      const answers = await Promise.all(places.map((place) => place.snapshot()));
      return [await registry.getMetricsAsJSON(), ...answers.filter((answer) => answer !== undefined)];
    },
    stop,
  };
}
