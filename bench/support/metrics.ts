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

const perGB = (count: number | undefined, bytes: number) => (count === undefined ? undefined : (count * 1e9) / bytes);
const seconds = (ns: number | undefined) => (ns === undefined ? undefined : ns / 1e9);

export const metrics = {
  throughput: {
    label: "throughput",
    unit: "GB/s",
    better: "more",
    digits: 2,
    ofSample: ({ bytes, wallNs }) => bytes / wallNs,
  },
  cpu: {
    label: "CPU, all threads",
    unit: "s/GB",
    better: "less",
    digits: 3,
    ofSample: ({ cpuNs, bytes }) => perGB(seconds(cpuNs), bytes),
  },
  mainCpu: {
    label: "CPU, main thread",
    unit: "s/GB",
    better: "less",
    digits: 3,
    ofSample: ({ mainThreadNs, bytes }) => perGB(seconds(mainThreadNs), bytes),
  },
  syscalls: {
    label: "system calls",
    unit: "/GB",
    better: "less",
    digits: 0,
    ofCounts: ({ syscalls, bytes }) => perGB(syscalls, bytes),
  },
  syscallsPerRequest: {
    label: "system calls",
    unit: "/request",
    better: "less",
    digits: 1,
    ofCounts: ({ syscalls, requests }) => (syscalls === undefined ? undefined : syscalls / requests),
  },
  voluntary: {
    label: "switches, voluntary",
    unit: "/GB",
    better: "less",
    digits: 0,
    ofSample: ({ voluntary, bytes }) => perGB(voluntary, bytes),
  },
  involuntary: {
    label: "switches, involuntary",
    unit: "/GB",
    better: "less",
    digits: 0,
    ofSample: ({ involuntary, bytes }) => perGB(involuntary, bytes),
  },
  latency: {
    label: "latency, median",
    unit: "µs",
    better: "less",
    digits: 1,
    ofSample: ({ latencyNs }) => (latencyNs === undefined ? undefined : latencyNs / 1e3),
  },
  delay: {
    label: "event-loop delay, p99",
    unit: "ms",
    better: "less",
    digits: 1,
    ofCounts: ({ delayP99Ms }) => delayP99Ms,
  },
  rss: {
    label: "resident memory",
    unit: "MiB",
    better: "less",
    digits: 0,
    ofSample: ({ rssBytes }) => (rssBytes === undefined ? undefined : rssBytes / 2 ** 20),
  },
} as const satisfies Record<string, Metric>;

export type MetricName = keyof typeof metrics;

export const metricNames = Object.keys(metrics) as readonly MetricName[];

/** The table without the narrow types of its rows. */
export const metricOf = (name: MetricName): Metric => metrics[name];

export function sampled(name: MetricName, samples: readonly Sample[]): number[] {
  const { ofSample } = metricOf(name);
  return samples.flatMap((sample) => ofSample?.(sample) ?? []);
}
