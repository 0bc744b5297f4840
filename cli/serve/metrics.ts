/** What a server counts, in the terms of Prometheus. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { Counter, Gauge, Registry } from "prom-client";
import { observeDelay } from "../service/event-loop.ts";
import type { Snapshot } from "../service/snapshot.ts";
import type { StreamMessage } from "../../lib/streams/report.ts";
import type { Access, Observer } from "./observer.ts";

export interface Metrics extends Observer {
  snapshot(): Promise<Snapshot>;
  /** Stops listening and measuring. */
  stop(): void;
}

/** Messages of errors may be among the reasons: there is no end to those. */
const mostReasons = 40;

export function createMetrics(): Metrics {
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
    end({ method, status, bytes = 0 }: Access, response: object) {
      inFlight.dec();
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
