/** What a server counts, in the terms of Prometheus. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import {
  AggregatorRegistry,
  Counter,
  Gauge,
  Histogram,
  type MetricObjectWithValues,
  type MetricValue,
  Registry,
} from "prom-client";
import type { StreamMessage } from "../../shared/streams/report.ts";
import type { Access, Observer } from "./observer.ts";

/** All metrics of a process as data, which can be sent to another one. */
export type Snapshot = readonly MetricObjectWithValues<MetricValue<string>>[];

export interface Metrics extends Observer {
  snapshot(): Promise<Snapshot>;
  /** Stops listening and measuring. */
  stop(): void;
}

/** How often the delay of the event loop is looked at. Milliseconds. */
const sampleMs = 20;

/** Seconds. */
const delayBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** Messages of errors may be among the reasons: there is no end to those. */
const mostReasons = 40;

/** @param ownStrategy the name for bodies that the runtime sends by itself */
export function createMetrics(ownStrategy: string): Metrics {
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
  const delay = new Histogram({
    name: "sluice_event_loop_delay_seconds",
    help: `By how much a timer fired late, looked at every ${sampleMs} ms.`,
    buckets: delayBuckets,
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
  const timer = observeDelay(delay);

  return {
    begin: () => inFlight.inc(),
    end({ method, status, bytes = 0 }: Access, response: object) {
      inFlight.dec();
      requests.inc({ method, status });
      const own = bytes - (moved.get(response) ?? 0);
      if (own > 0) sent.inc({ strategy: ownStrategy }, own);
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

function observeDelay(histogram: Histogram): NodeJS.Timeout {
  let expected = performance.now() + sampleMs;
  const timer = setInterval(() => {
    const now = performance.now();
    histogram.observe(Math.max(0, now - expected) / 1000);
    expected = now + sampleMs;
  }, sampleMs);
  return timer.unref();
}

/** The same metrics with one more label on every value. */
export function withLabel(snapshot: Snapshot, name: string, value: string): Snapshot {
  return snapshot.map((metric) => ({
    ...metric,
    values: metric.values.map((each) => ({ ...each, labels: { ...each.labels, [name]: value } })),
  }));
}

/** The metrics of all processes as text. */
export function renderMetrics(snapshots: readonly Snapshot[]): Promise<string> {
  return AggregatorRegistry.aggregate([...snapshots]).metrics();
}

export const metricsType = Registry.PROMETHEUS_CONTENT_TYPE;
