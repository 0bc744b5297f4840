/** The report for machines. What it looks like is written here once: its types, its check and its JSON Schema. */
import * as z from "zod";
import { metricNames } from "../support/metrics.ts";

/** The number goes up when a field is renamed, removed or given another meaning; not when one is added. */
export const schemaName = "sluice-bench/1";

export const text = z.string();
/** JSON has no NaN: a figure of no samples is null there. */
export const number = z
  .number()
  .nullable()
  .transform((value) => value ?? Number.NaN);
export const list = <T extends z.ZodType>(item: T) => z.array(item).readonly();
export const pair = <T extends z.ZodType>(item: T) => z.tuple([item, item]).readonly();
const record = <T extends z.ZodType>(item: T) => z.record(z.string(), item);

/** A figure with what it was made of. The quartiles show its spread without the odd outlier of a shared machine. */
const figure = z.object({ median: number, quartiles: pair(number), range: pair(number), count: number });

/** One question with its answer. */
export const row = z.object({
  question: text,
  unit: text,
  verdict: z.enum(["PASS", "MISS", "SKIP", ""]),
  figure: figure.exactOptional(),
  /** Most and least that the median should be. */
  target: number.exactOptional(),
  atLeast: number.exactOptional(),
  /** The absolute figures behind it. */
  detail: text.exactOptional(),
  /** Why there is no figure on this machine. */
  skipped: text.exactOptional(),
});

/** `limit` is a tight C loop: what the mechanism costs with nothing around it. */
const role = z.enum(["sluice", "rival", "limit"]);

/** One contender at one point. */
const entry = z.object({
  contender: text,
  role,
  /** Of one body. */
  bytes: number,
  cache: z.enum(["warm", "cold"]),
  /** By the names of `metrics`; in its units. */
  metrics: record(figure),
  /** Of Sluice's own entries: to the best competitor, and to the best of the limits. */
  ratios: list(z.object({ metric: z.enum(metricNames), against: text, role: z.enum(["rival", "limit"]), figure })),
});

const contest = z.object({
  title: text,
  /** Who counted system calls, and what else a reader has to know. */
  notes: list(text),
  entries: list(entry),
  absent: list(z.object({ name: text, role, reason: text })),
});

/** A sentence of an article, in our words, beside what this kernel does. */
const claim = z.object({
  article: text,
  claim: text,
  experiment: text,
  measured: text,
  verdict: z.enum(["holds", "holds in part", "out of date", "wrong", "not testable here"]),
  /** What follows from it, or why the article says otherwise. */
  comment: text.exactOptional(),
});

/** How one mechanism moves a file to a socket: what is said of it, drawn, and what was counted. */
const path = z.object({
  mechanism: text,
  drawing: text,
  expected: z.object({ copies: text, switchesPerRound: number }),
  /** By name, in the order in which they are to be shown. */
  counted: list(pair(text)),
});

export const table = z.object({ head: list(text), cells: list(list(text)) });

const section = z.object({
  title: text,
  rows: list(row).exactOptional(),
  contest: contest.exactOptional(),
  claims: list(claim).exactOptional(),
  paths: list(path).exactOptional(),
  table: table.exactOptional(),
  data: z.unknown().optional(),
});

const environment = z.object({
  kernel: text,
  arch: text,
  cpu: text,
  cores: number,
  /** Whether the processor says that a hypervisor runs it. */
  virtual: z.boolean(),
  memoryBytes: number,
  engine: text,
  filesystems: list(z.object({ folder: text, type: text })),
  interfaces: list(
    z.object({
      name: text,
      scatterGather: z.boolean().exactOptional(),
      tso: z.boolean().exactOptional(),
      txChecksum: z.boolean().exactOptional(),
      unknown: text.exactOptional(),
    }),
  ),
  /** Of the programs that were found, by name. */
  versions: record(text),
  /** What of /proc/sys matters to a transfer. */
  settings: record(text),
  privileged: z.boolean(),
});

const noise = z.object({
  /** One-minute load averages. */
  loadAtStart: number,
  loadAtEnd: number,
  /** Share of all processor time that the host gave to others, 0 to 1. */
  stolen: number,
  /** Median over all figures of the distance between the quartiles, as a share of the median. */
  spread: number,
  /** What that means, in words. */
  remark: text,
});

const report = z.object({
  schema: z.literal(schemaName),
  created: text,
  version: text,
  mode: z.enum(["quick", "full"]),
  rounds: number,
  durationS: number,
  environment,
  noise,
  metrics: record(z.object({ label: text, unit: text, better: z.enum(["more", "less"]) })),
  suites: list(z.object({ name: text, sections: list(section) })),
  /** Suites that didn't get to their end, and why. */
  failures: list(text).exactOptional(),
});

export type BenchReport = z.infer<typeof report>;
export type ReportEnvironment = z.infer<typeof environment>;
export type ReportNoise = z.infer<typeof noise>;
export type ReportSection = z.infer<typeof section>;
export type ReportRow = z.infer<typeof row>;
export type ReportContest = z.infer<typeof contest>;
export type ReportEntry = z.infer<typeof entry>;
export type Figure = z.infer<typeof figure>;
export type Role = z.infer<typeof role>;
export type Claim = z.infer<typeof claim>;
export type PathFinding = z.infer<typeof path>;

export const jsonSchema: object = { title: schemaName, ...z.toJSONSchema(report, { io: "input" }) };

/** @throws Error that says which field is not as it should be, or that the version is another */
export function readReport(json: string, name: string): BenchReport {
  const value: unknown = JSON.parse(json);
  const version: unknown = Reflect.get(Object(value), "schema");
  if (version !== schemaName)
    throw new Error(`${name} is no report of ${schemaName}: its schema is ${String(version)}`);
  const { data, error } = report.safeParse(value);
  if (data !== undefined) return data;
  throw new Error(
    error.issues.map(({ path: at, message }) => `${name}.${z.core.toDotPath(at)}: ${message}`).join("\n"),
  );
}
