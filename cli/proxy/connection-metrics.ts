/** What a proxy counts, in the terms of Prometheus. */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { observeDelay, type Snapshot } from "../service/metrics.ts";
import type { Ended } from "./ended.ts";

/** Told of what happens. */
export interface ConnectionObserver {
  accepted(): void;
  /** A connection to an upstream was made, in so long; `ended` follows. */
  connected(upstream: string, connectMs: number): void;
  connectFailed(upstream: string, code: string): void;
  /** Bytes that have moved since the last call. */
  moved(upstream: string, bytesUp: number, bytesDown: number): void;
  /** An accepted connection is over. */
  ended(ended: Ended): void;
}

export interface ConnectionMetrics extends ConnectionObserver {
  snapshot(): Promise<Snapshot>;
  stop(): void;
}

/** Seconds: from the same machine to one behind a lost SYN, which is sent again after 1, 3 and 7. */
const buckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export function createConnectionMetrics(upstreams: readonly string[]): ConnectionMetrics {
  const registry = new Registry();
  const registers = [registry];
  const open = new Gauge({
    name: "sluice_proxy_connections_open",
    help: "Connections of clients that are open.",
    registers,
  });
  const ends = new Counter({
    name: "sluice_proxy_connections_total",
    help: "Connections of clients that are over, by how they ended.",
    labelNames: ["end"],
    registers,
  });
  const connections = new Counter({
    name: "sluice_proxy_upstream_connections_total",
    help: "Connections that were made to an upstream.",
    labelNames: ["upstream"],
    registers,
  });
  const active = new Gauge({
    name: "sluice_proxy_upstream_connections_active",
    help: "Connections to an upstream that are open.",
    labelNames: ["upstream"],
    registers,
  });
  const failures = new Counter({
    name: "sluice_proxy_upstream_failures_total",
    help: "Connections that could not be made to an upstream, by the system's error.",
    labelNames: ["upstream", "code"],
    registers,
  });
  const durations = new Histogram({
    name: "sluice_proxy_connect_duration_seconds",
    help: "How long it took to connect to an upstream, where that succeeded.",
    labelNames: ["upstream"],
    buckets,
    registers,
  });
  const bytes = new Counter({
    name: "sluice_proxy_bytes_total",
    help: "Bytes that were passed on: up, from clients to an upstream, and down.",
    labelNames: ["upstream", "direction"],
    registers,
  });
  // They are there before anything has happened, so that a rate can be told from the first time that it does.
  for (const upstream of upstreams) {
    connections.inc({ upstream }, 0);
    active.set({ upstream }, 0);
    durations.zero({ upstream });
    for (const direction of ["up", "down"]) bytes.inc({ upstream, direction }, 0);
  }
  const timer = observeDelay(registry);
  return {
    accepted: () => open.inc(),
    connected(upstream, connectMs) {
      connections.inc({ upstream });
      durations.observe({ upstream }, connectMs / 1000);
      active.inc({ upstream });
    },
    connectFailed: (upstream, code) => failures.inc({ upstream, code }),
    moved(upstream, bytesUp, bytesDown) {
      if (bytesUp > 0) bytes.inc({ upstream, direction: "up" }, bytesUp);
      if (bytesDown > 0) bytes.inc({ upstream, direction: "down" }, bytesDown);
    },
    ended({ upstream, end }) {
      open.dec();
      ends.inc({ end });
      if (upstream !== undefined) active.dec({ upstream });
    },
    snapshot: () => registry.getMetricsAsJSON(),
    stop: () => clearInterval(timer),
  };
}
