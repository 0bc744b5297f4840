/** What a server counts, in the terms of Prometheus. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { observeDelay, type Snapshot } from "../service/metrics.ts";
import type { StreamMessage } from "sluice/stream";
import type { Access, RequestObserver } from "./requests.ts";

export interface RequestMetrics extends RequestObserver {
  snapshot(): Promise<Snapshot>;
  /** Stops listening and measuring. */
  stop(): void;
}

/** Messages of errors may be among the reasons: there is no end to those. */
const mostReasons = 40;

/** Seconds: from an answer out of the page cache to a download. */
const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

export function createRequestMetrics(): RequestMetrics {
  const registry = new Registry();
  const registers = [registry];
  const requests = new Counter({
    name: "sluice_http_requests_total",
    help: "Requests that have been answered, or given up by the client, by status.",
    labelNames: ["method", "status"],
    registers,
  });
  const inFlight = new Gauge({
    name: "sluice_http_requests_in_flight",
    help: "Requests that are being answered.",
    registers,
  });
  const durations = new Histogram({
    name: "sluice_http_request_duration_seconds",
    help: "From a request's head to the end of its answer, or until the client gave it up, by status.",
    labelNames: ["status"],
    buckets,
    registers,
  });
  const sent = new Counter({
    name: "sluice_http_sent_bytes_total",
    help: "Bytes of bodies handed to the kernel, by the mechanism that moved them.",
    labelNames: ["strategy"],
    registers,
  });
  const fallbacks = new Counter({
    name: "sluice_http_fallbacks_total",
    help: "Bodies that went through JavaScript, by the reason.",
    labelNames: ["reason"],
    registers,
  });

  /** What has left natively of answers that are not over. */
  const moved = new WeakMap<object, number>();
  const label = reasonLabels();
  const onTransfer = (message: unknown) => {
    const { target, native, reason, bytes, strategy } = message as StreamMessage;
    if (!native) fallbacks.inc({ reason: label(reason) });
    if (strategy === undefined) return;
    sent.inc({ strategy }, bytes);
    if (target !== undefined) moved.set(target, (moved.get(target) ?? 0) + bytes);
  };
  subscribe("sluice:transfer", onTransfer);
  const timer = observeDelay(registry);

  return {
    begin: () => inFlight.inc(),
    end({ method, status, durationMs, bytes = 0 }: Access, response: object) {
      inFlight.dec();
      durations.observe({ status }, durationMs / 1000);
      requests.inc({ method, status });
      const own = bytes - (moved.get(response) ?? 0);
      if (own > 0) sent.inc({ strategy: "portable" }, own);
    },
    snapshot: () => registry.getMetricsAsJSON(),
    stop() {
      unsubscribe("sluice:transfer", onTransfer);
      clearInterval(timer);
    },
  };
}

/** Reasons as labels, without the numbers in them, and not without limit. */
function reasonLabels(): (reason: string) => string {
  const known = new Set<string>();
  return (reason) => {
    const label = reason.replace(/\d+/g, "N");
    if (known.size >= mostReasons && !known.has(label)) return "other";
    known.add(label);
    return label;
  };
}
