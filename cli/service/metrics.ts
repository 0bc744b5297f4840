/** The metrics of a service: as data that can be sent to another process, as text, and at an address of their own. */
import { createServer, type Server, type ServerResponse } from "node:http";
import { AggregatorRegistry, Histogram, type MetricObjectWithValues, type MetricValue, Registry } from "prom-client";
import { formatAddress, type HostAddress } from "../address.ts";
import { listen } from "./listening.ts";

export type Snapshot = readonly MetricObjectWithValues<MetricValue<string>>[];

/** The same metrics with one more label on every value. */
export function withLabel(snapshot: Snapshot, name: string, value: string): Snapshot {
  return snapshot.map((metric) => ({
    ...metric,
    values: metric.values.map((each) => ({ ...each, labels: { ...each.labels, [name]: value } })),
  }));
}

/** The metrics of all processes as text. */
function renderMetrics(snapshots: readonly Snapshot[]): Promise<string> {
  return AggregatorRegistry.aggregate([...snapshots]).metrics();
}

/** How often it is looked at. Milliseconds. */
const sampleMs = 20;

/** Seconds. */
const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** Measures by how much the event loop is late, until the timer is cleared; it keeps no process alive. */
export function observeDelay(registry: Registry): NodeJS.Timeout {
  const histogram = new Histogram({
    name: "sluice_event_loop_delay_seconds",
    help: `By how much a timer fired late, looked at every ${sampleMs} ms.`,
    buckets,
    registers: [registry],
  });
  let expected = performance.now() + sampleMs;
  const timer = setInterval(() => {
    const now = performance.now();
    histogram.observe(Math.max(0, now - expected) / 1000);
    expected = now + sampleMs;
  }, sampleMs);
  return timer.unref();
}

/** Servers that what is counted and logged leaves out. */
export const unobserved = new WeakSet<Server>();

interface MetricsServer {
  readonly url: string;
  close(): void;
}

/** What it tells of. */
interface Observed {
  snapshots(): Promise<readonly Snapshot[]>;
  /** Whether connections are taken: not while it ends, nor while there is no worker. */
  isServing(): boolean;
}

/** Answers /metrics and /healthz on an address of its own: what the public may ask says nothing about the server. */
export async function serveMetrics(address: HostAddress, { snapshots, isServing }: Observed): Promise<MetricsServer> {
  const pages: Readonly<Record<string, (response: ServerResponse) => unknown>> = {
    "/metrics": (response) =>
      snapshots()
        .then(renderMetrics)
        .then((text) => response.writeHead(200, { "content-type": Registry.PROMETHEUS_CONTENT_TYPE }).end(text))
        .catch((error: unknown) => response.writeHead(500).end(`${String(error)}\n`)),
    "/healthz": (response) =>
      isServing() ? response.writeHead(200).end("serving\n") : response.writeHead(503).end("not serving\n"),
  };
  const server = createServer(({ url = "" }, response) => {
    const page = Object.hasOwn(pages, url) ? pages[url] : undefined;
    if (page === undefined) response.writeHead(404).end("Not Found\n");
    else page(response);
  });
  // A client that has sent all may end its side and wait.
  Object.assign(server, { httpAllowHalfOpen: true });
  unobserved.add(server);
  const port = await listen(server, address);
  return {
    url: `http://${formatAddress({ host: address.host, port })}/metrics`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
