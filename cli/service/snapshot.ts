/** The metrics of a process as data, which can be sent to another one, and as text. */
import { AggregatorRegistry, type MetricObjectWithValues, type MetricValue, Registry } from "prom-client";

export type Snapshot = readonly MetricObjectWithValues<MetricValue<string>>[];

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
