/** What is told of every contender, one row each: its unit, which way is better, and how it comes from a sample. */

/** What one run of a contender took. Undefined: this machine doesn't tell, or it makes no sense for this contender. */
export interface Sample {
  /** Bytes moved, and in how many requests. */
  readonly bytes: number;
  readonly requests: number;
  readonly wallNs: number;
  /** User and system time of the server: all threads, all processes. */
  readonly cpuNs: number;
  readonly mainThreadNs?: number | undefined;
  readonly voluntary?: number | undefined;
  readonly involuntary?: number | undefined;
  readonly rssBytes?: number | undefined;
  /** Median of the requests, from the first byte asked to the last byte taken. */
  readonly latencyNs?: number | undefined;
}

/** What is counted in a pass of its own, since counting would disturb the other figures. */
export interface Counts {
  readonly bytes: number;
  readonly requests: number;
  readonly syscalls?: number | undefined;
  readonly delayP99Ms?: number | undefined;
}

export interface Metric {
  readonly label: string;
  readonly unit: string;
  readonly better: "more" | "less";
  /** Digits behind the point, for people. */
  readonly digits: number;
  readonly ofSample?: (sample: Sample) => number | undefined;
  readonly ofCounts?: (counts: Counts) => number | undefined;
}

type How = Pick<Metric, "ofSample" | "ofCounts">;

const metric = (label: string, unit: string, better: Metric["better"], digits: number, how: How): Metric => ({
  label,
  unit,
  better,
  digits,
  ...how,
});

const per = (count: number | undefined, whole: number) => (count === undefined ? undefined : count / whole);
const perGB = (count: number | undefined, bytes: number) => per(count, bytes / 1e9);

const metrics = {
  throughput: metric("throughput", "GB/s", "more", 2, { ofSample: ({ bytes, wallNs }) => bytes / wallNs }),
  // Nanoseconds a byte are seconds a GB.
  cpu: metric("CPU, all threads", "s/GB", "less", 3, { ofSample: ({ cpuNs, bytes }) => cpuNs / bytes }),
  mainCpu: metric("CPU, main thread", "s/GB", "less", 3, { ofSample: (one) => per(one.mainThreadNs, one.bytes) }),
  syscalls: metric("system calls", "/GB", "less", 0, { ofCounts: (one) => perGB(one.syscalls, one.bytes) }),
  syscallsPerRequest: metric("system calls", "/request", "less", 1, {
    ofCounts: (one) => per(one.syscalls, one.requests),
  }),
  voluntary: metric("switches, voluntary", "/GB", "less", 0, { ofSample: (one) => perGB(one.voluntary, one.bytes) }),
  involuntary: metric("switches, involuntary", "/GB", "less", 0, {
    ofSample: (one) => perGB(one.involuntary, one.bytes),
  }),
  latency: metric("latency, median", "µs", "less", 1, { ofSample: ({ latencyNs }) => per(latencyNs, 1e3) }),
  delay: metric("event-loop delay, p99", "ms", "less", 1, { ofCounts: ({ delayP99Ms }) => delayP99Ms }),
  rss: metric("resident memory", "MiB", "less", 0, { ofSample: ({ rssBytes }) => per(rssBytes, 2 ** 20) }),
} as const;

export type MetricName = keyof typeof metrics;

export const metricNames = Object.keys(metrics) as readonly MetricName[];

export const metricOf = (name: MetricName): Metric => metrics[name];

export function sampled(name: MetricName, samples: readonly Sample[]): number[] {
  const { ofSample } = metricOf(name);
  return samples.flatMap((sample) => ofSample?.(sample) ?? []);
}
