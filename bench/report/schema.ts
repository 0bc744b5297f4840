/** The report for machines. What it looks like is written here once: its type, its check and its JSON Schema. */
import { metricNames } from "../support/metrics.ts";
import {
  anything,
  boolean,
  type JsonSchema,
  list,
  number,
  object,
  type Of,
  oneOf,
  pair,
  record,
  string,
} from "./shape.ts";

/** The number goes up when a field is renamed, removed or given another meaning; not when one is added. */
export const schemaName = "sluice-bench/1";

const figure = object({
  median: number,
  quartiles: pair(number, number),
  range: pair(number, number),
  count: number,
});

const row = object(
  { question: string, unit: string, verdict: oneOf("PASS", "MISS", "SKIP", "") },
  { figure, target: number, atLeast: number, detail: string, skipped: string },
);

const role = oneOf("sluice", "rival", "limit");

const ratio = object({
  metric: oneOf(...metricNames),
  against: string,
  role: oneOf("rival", "limit"),
  figure,
});

const entry = object({
  contender: string,
  role,
  bytes: number,
  cache: oneOf("warm", "cold"),
  /** By the names of `metrics`; in its units. */
  metrics: record(figure),
  ratios: list(ratio),
});

const contest = object({
  title: string,
  notes: list(string),
  entries: list(entry),
  absent: list(object({ name: string, role, reason: string })),
});

const claim = object(
  {
    article: string,
    claim: string,
    experiment: string,
    measured: string,
    verdict: oneOf("holds", "holds in part", "out of date", "wrong", "not testable here"),
  },
  { comment: string },
);

const path = object({
  mechanism: string,
  drawing: string,
  expected: object({ copies: string, switchesPerRound: number }),
  counted: list(pair(string, string)),
});

const section = object(
  { title: string },
  {
    rows: list(row),
    contest,
    claims: list(claim),
    paths: list(path),
    table: object({ head: list(string), cells: list(list(string)) }),
    data: anything,
  },
);

const networkInterface = object(
  { name: string },
  { scatterGather: boolean, tso: boolean, txChecksum: boolean, unknown: string },
);

const environment = object({
  kernel: string,
  arch: string,
  cpu: string,
  cores: number,
  /** Whether the processor says that a hypervisor runs it. */
  virtual: boolean,
  memoryBytes: number,
  engine: string,
  filesystems: list(object({ folder: string, type: string })),
  interfaces: list(networkInterface),
  /** Of the programs that were found, by name. */
  versions: record(string),
  /** What of /proc/sys matters to a transfer. */
  settings: record(string),
  privileged: boolean,
});

const noise = object({
  /** One-minute load averages. */
  loadAtStart: number,
  loadAtEnd: number,
  /** Share of all processor time that the host gave to others, 0 to 1. */
  stolen: number,
  /** Median over all figures of the distance between the quartiles, as a share of the median. */
  spread: number,
  /** What that means, in words. */
  remark: string,
});

const report = object(
  {
    schema: oneOf(schemaName),
    created: string,
    version: string,
    mode: oneOf("quick", "full"),
    rounds: number,
    durationS: number,
    environment,
    noise,
    metrics: record(object({ label: string, unit: string, better: oneOf("more", "less") })),
    suites: list(object({ name: string, sections: list(section) })),
  },
  {
    /** Suites that didn't get to their end, and why. */
    failures: list(string),
  },
);

export type BenchReport = Of<typeof report>;
export type ReportEnvironment = Of<typeof environment>;
export type ReportNoise = Of<typeof noise>;
export type ReportSection = Of<typeof section>;
export type ReportRow = Of<typeof row>;
export type ReportContest = Of<typeof contest>;
export type ReportEntry = Of<typeof entry>;
export type ReportFigure = Of<typeof figure>;
export type ReportClaim = Of<typeof claim>;
export type ReportPath = Of<typeof path>;

export const jsonSchema: JsonSchema = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  title: schemaName,
  ...report.schema,
};

/** @throws Error that says which field is not as it should be, or that the version is another */
export function readReport(text: string, name: string): BenchReport {
  const value: unknown = JSON.parse(text);
  const version: unknown = Reflect.get(Object(value), "schema");
  if (version !== schemaName)
    throw new Error(`${name} is no report of ${schemaName}: its schema is ${String(version)}`);
  return report.read(value, name);
}
