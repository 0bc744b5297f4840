/** A TCP proxy: CPU time of its process, throughput and latency, beside HAProxy and beside two pipes in Node. */
import {
  haproxy,
  haproxyForced,
  own,
  pipe,
  preloaded,
  type ProxyField,
  startProxies,
  stopProxies,
} from "../proxy/contenders.ts";
import type { HttpServer } from "../http/server.ts";
import { helper, start } from "../support/helpers.ts";
import { cpuNs } from "../support/process-tree.ts";
import { type Row, rowsOrReason, section } from "../support/rows.ts";
import { alternate, median, pairedRatio } from "../support/stats.ts";
import type { Suite } from "./suite.ts";

interface Sample {
  readonly cpuSecondsPerGB: number;
  readonly bytesPerSecond: number;
  /** Of a round trip. */
  readonly medianNs: number;
  readonly cpuNsPerRound: number;
}

type Metric = keyof Sample;

interface Question {
  readonly metric: Metric;
  readonly of: string;
  readonly against: string;
  readonly target?: number;
  readonly atLeast?: number;
}

interface Load {
  readonly title: string;
  readonly run: (server: HttpServer) => Promise<Sample>;
  readonly questions: readonly Question[];
}

const none: Sample = { cpuSecondsPerGB: 0, bytesPerSecond: 0, medianNs: 0, cpuNsPerRound: 0 };

/** Runs a load of the peer's and tells what it printed, and what the proxy's process cost meanwhile. */
async function peer(server: HttpServer, args: readonly string[]) {
  const before = cpuNs(server.pid);
  const output = await start(await helper("proxy_peer"), args).output;
  return { numbers: output.trim().split(" ").map(Number), cpu: cpuNs(server.pid) - before };
}

function bulk(connections: number, bytes: number): Load["run"] {
  return async (server) => {
    const { numbers, cpu } = await peer(server, ["bulk", String(server.port), String(connections), String(bytes)]);
    const moved = connections * bytes;
    return { ...none, cpuSecondsPerGB: cpu / moved, bytesPerSecond: (moved / (numbers[0] ?? NaN)) * 1e9 };
  };
}

function ping(size: number, rounds: number): Load["run"] {
  return async (server) => {
    const { numbers, cpu } = await peer(server, ["ping", String(server.port), String(size), String(rounds)]);
    return { ...none, medianNs: numbers[0] ?? NaN, cpuNsPerRound: cpu / rounds };
  };
}

const large: readonly Question[] = [
  { metric: "cpuSecondsPerGB", of: own, against: haproxy, target: 0.9 },
  { metric: "bytesPerSecond", of: own, against: haproxy, atLeast: 1 },
  { metric: "cpuSecondsPerGB", of: own, against: haproxyForced, target: 0.9 },
  { metric: "bytesPerSecond", of: own, against: haproxyForced, atLeast: 1 },
  { metric: "cpuSecondsPerGB", of: own, against: pipe, target: 0.25 },
  { metric: "bytesPerSecond", of: own, against: pipe },
  { metric: "cpuSecondsPerGB", of: preloaded, against: pipe },
];

const small: readonly Question[] = [
  { metric: "medianNs", of: own, against: pipe, target: 1.2 },
  { metric: "medianNs", of: own, against: haproxy },
  { metric: "cpuNsPerRound", of: own, against: haproxy },
  { metric: "cpuNsPerRound", of: own, against: pipe },
  { metric: "medianNs", of: preloaded, against: pipe, target: 1.2 },
];

const GiB = 2 ** 30;

const loads: readonly Load[] = [
  { title: "1 connection, 512 MiB down", run: bulk(1, GiB / 2), questions: large },
  { title: "16 connections, 32 MiB down each", run: bulk(16, GiB / 32), questions: large },
  { title: "64 bytes there and back, 10,000 times", run: ping(64, 10_000), questions: small },
];

const tell: Readonly<Record<Metric, (sample: (metric: Metric) => number) => string>> = {
  cpuSecondsPerGB: (of) =>
    `${of("cpuSecondsPerGB").toFixed(3)} s/GB at ${(of("bytesPerSecond") / 1e9).toFixed(2)} GB/s`,
  bytesPerSecond: (of) => `${(of("bytesPerSecond") / 1e9).toFixed(2)} GB/s`,
  medianNs: (of) => `${(of("medianNs") / 1e3).toFixed(1)} µs`,
  cpuNsPerRound: (of) => `${(of("cpuNsPerRound") / 1e3).toFixed(1)} µs of CPU`,
};

const names: Readonly<Record<Metric, string>> = {
  cpuSecondsPerGB: "CPU per byte",
  bytesPerSecond: "throughput",
  medianNs: "median round trip",
  cpuNsPerRound: "CPU per round trip",
};

function rowOf(
  { metric, of, against, ...bounds }: Question,
  samples: Readonly<Record<string, readonly Sample[]>>,
  { missing }: ProxyField,
): Row {
  const row = { question: `${names[metric]} of ${of} / ${against}`, unit: "×" as const, ...bounds };
  const skipped = missing.get(of) ?? missing.get(against);
  if (skipped !== undefined) return { ...row, skipped };
  const each = (contender: string, which: Metric) => (samples[contender] ?? []).map((sample) => sample[which]);
  const told = (contender: string) => tell[metric]((which) => median(each(contender, which)));
  return {
    ...row,
    figure: pairedRatio(each(of, metric), each(against, metric)),
    detail: `${told(of)}; ${told(against)}`,
  };
}

export const proxy: Suite = async ({ rounds, progress }) => {
  const reason = await rowsOrReason("proxy", async () => {
    await helper("proxy_peer");
    return [];
  });
  if (reason.length > 0) return [section("A TCP proxy", reason)];
  const field = await startProxies();
  try {
    const sections = [];
    for (const { title, run, questions } of loads) {
      const contenders = Object.fromEntries([...field.servers].map(([name, server]) => [name, () => run(server)]));
      await alternate(contenders, 1, (name) => progress(`${title}: ${name}, to warm up`));
      const samples = await alternate(contenders, rounds, (name, round) =>
        progress(`${title}: ${name}, round ${round + 1}`),
      );
      sections.push(
        section(
          `A TCP proxy, ${title}`,
          questions.map((question) => rowOf(question, samples, field)),
        ),
      );
    }
    return sections;
  } finally {
    await stopProxies(field);
  }
};
