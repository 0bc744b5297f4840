/** `stats()` in the text format of Prometheus, 0.0.4. */
import { type Stats, stats } from "./stats.ts";

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [value: number, labels?: Labels];

interface Metric {
  readonly type: "counter" | "gauge";
  readonly help: string;
  readonly samples: (stats: Stats) => readonly Sample[];
}

type Engine = NonNullable<Stats["engine"]>;

const ofEngine =
  (samples: (engine: Engine) => readonly Sample[]): Metric["samples"] =>
  ({ engine }) =>
    engine === undefined ? [] : samples(engine);

const metrics: Readonly<Record<string, Metric>> = {
  sluice_streams_total: {
    type: "counter",
    help: "Streams by the mechanism that moved their bytes, and why; portable: the runtime itself.",
    samples: ({ streams }) => streams.map(({ way, reason, streams: count }) => [count, { way, reason }]),
  },
  sluice_stream_bytes_total: {
    type: "counter",
    help: "Bytes of streams by the way that they went, and why.",
    samples: ({ streams }) => streams.map(({ way, reason, bytes }) => [bytes, { way, reason }]),
  },
  sluice_engine_threads: {
    type: "gauge",
    help: "Threads of the engine that move bytes.",
    samples: ofEngine(({ threads }) => [[threads]]),
  },
  sluice_engine_jobs_running: {
    type: "gauge",
    help: "Jobs of the engine that are under way.",
    samples: ofEngine(({ jobs }) => [[jobs.running]]),
  },
  sluice_engine_jobs_total: {
    type: "counter",
    help: "Jobs of the engine that are over.",
    samples: ofEngine(({ jobs }) => [[jobs.done]]),
  },
  sluice_engine_pairs_open: {
    type: "gauge",
    help: "Pairs of connections that are open.",
    samples: ofEngine(({ pairs }) => [[pairs.open]]),
  },
  sluice_engine_pairs_total: {
    type: "counter",
    help: "Pairs of connections that have been closed.",
    samples: ofEngine(({ pairs }) => [[pairs.done]]),
  },
  sluice_engine_descriptors: {
    type: "gauge",
    help: "Descriptors that the engine holds.",
    samples: ofEngine(({ descriptors }) => [[descriptors]]),
  },
  sluice_engine_memory_bytes: {
    type: "gauge",
    help: "Memory that the engine, or the kernel for it, holds or may fill.",
    samples: ofEngine(({ memory }) => Object.entries(memory).map(([kind, bytes]) => [bytes, { kind }])),
  },
};

const escapes: Readonly<Record<string, string>> = { "\\": "\\\\", '"': '\\"', "\n": "\\n" };

const formatLabel = ([name, value]: readonly [string, string]): string =>
  `${name}="${value.replace(/[\\"\n]/g, (character) => escapes[character] ?? "")}"`;

function formatSample(name: string, [value, labels]: Sample): string {
  const within = labels === undefined ? "" : `{${Object.entries(labels).map(formatLabel).join(",")}}`;
  return `${name}${within} ${value}\n`;
}

/**
 * `stats()` as a page for Prometheus to scrape, in its text format 0.0.4: of content type `text/plain; version=0.0.4`.
 */
export function prometheus(): string {
  const now = stats();
  const lines = Object.entries(metrics).map(([name, { type, help, samples }]) => {
    const text = samples(now).map((sample) => formatSample(name, sample));
    return text.length === 0 ? "" : `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${text.join("")}`;
  });
  return lines.join("");
}
