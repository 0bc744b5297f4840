/** What serves, whether in this process or in others. */
import { once } from "node:events";
import { createServer } from "node:net";
import { Counter, Registry } from "prom-client";
import { listen } from "./listening.ts";
import type { Snapshot } from "./metrics.ts";
import { Place } from "./place.ts";
import { type ServerOptions, startServer } from "./server.ts";

export interface Service {
  readonly port: number;
  snapshots(): Promise<readonly Snapshot[]>;
  /** Takes no more connections, and waits for the answers in flight. */
  stop(): Promise<void>;
}

/** Serves in this process. */
export async function serveHere(options: ServerOptions): Promise<Service> {
  const server = await startServer(options);
  return {
    port: server.port,
    snapshots: async () => (server.metrics === undefined ? [] : [await server.metrics.snapshot()]),
    stop: () => server.close(),
  };
}

/** Serves in workers, which share the port. */
export async function serveByWorkers(options: ServerOptions, count: number): Promise<Service> {
  const port = await findPort(options);
  const registry = new Registry();
  const replaced = new Counter({
    name: "sluice_workers_replaced_total",
    help: "Workers that ended and were replaced.",
    registers: [registry],
  });
  const forWorkers = { ...options, port, reusePort: true };
  const places = Array.from({ length: count }, (_, i) => new Place(i + 1, forWorkers, () => replaced.inc()));
  const stop = async () => void (await Promise.all(places.map((place) => place.stop())));
  try {
    await Promise.all(places.map((place) => place.start()));
  } catch (error) {
    await stop();
    throw error;
  }
  for (const place of places) void place.keep();
  return {
    port,
    async snapshots() {
      const answers = await Promise.all(places.map((place) => place.snapshot()));
      return [await registry.getMetricsAsJSON(), ...answers.filter((answer) => answer !== undefined)];
    },
    stop,
  };
}

/** Listens for a moment: SO_REUSEPORT would share a port with another server, and port 0 is a new one for each worker. */
async function findPort(options: ServerOptions): Promise<number> {
  const server = createServer();
  const port = await listen(server, options);
  server.close();
  await once(server, "close");
  return port;
}
