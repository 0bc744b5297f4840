/** Contenders side by side: the same work by each, in turns, and what it cost each of them. */
import type { Figure, ReportContest, ReportEntry, Role } from "../report/schema.ts";
import { orReason } from "./programs.ts";
import { type Counts, type MetricName, metricNames, metricOf, type Sample, sampled } from "./metrics.ts";
import { alternate, figure, median, pairedRatio } from "./stats.ts";

export interface Point {
  /** Of one body. */
  readonly bytes: number;
  readonly cache: "warm" | "cold";
}

export interface Contender {
  readonly name: string;
  readonly role: Role;
  /** Whether it takes part at a point; everywhere, unless said. */
  readonly serves?: (point: Point) => boolean;
  readonly run: (point: Point) => Promise<Sample>;
  /** The pass that counts. */
  readonly count?: (point: Point) => Promise<Counts>;
}

export type { Role };
export type Absent = ReportContest["absent"][number];
export type Ratio = ReportEntry["ratios"][number];
export type Entry = Omit<ReportEntry, "metrics"> & { readonly metrics: Partial<Record<MetricName, Figure>> };
export type Contest = Omit<ReportContest, "entries"> & { readonly entries: readonly Entry[] };

export interface ContestPlan {
  readonly title: string;
  readonly contenders: readonly Contender[];
  readonly absent?: readonly Absent[];
  readonly points: readonly Point[];
  readonly rounds: number;
  readonly notes?: readonly string[];
  readonly progress: (text: string) => void;
}

/** "4 KiB", "1.5 MiB": sizes of files. */
export function sizeName(bytes: number): string {
  const power = bytes < 1024 ? 0 : Math.min(4, Math.floor(Math.log2(bytes) / 10));
  return `${Number((bytes / 1024 ** power).toFixed(1))} ${["bytes", "KiB", "MiB", "GiB", "TiB"][power]}`;
}

type Samples = Readonly<Record<string, readonly Sample[]>>;

function entryOf(
  { name, role }: Contender,
  point: Point,
  samples: readonly Sample[],
  counts: Counts | undefined,
): Entry {
  const told = metricNames.flatMap((metric): [MetricName, Figure][] => {
    const counted = counts === undefined ? undefined : metricOf(metric).ofCounts?.(counts);
    const values = counted === undefined ? sampled(metric, samples) : [counted];
    return values.length === 0 ? [] : [[metric, figure(values)]];
  });
  return { ...point, contender: name, role, metrics: Object.fromEntries(told), ratios: [] };
}

const compared = ["throughput", "cpu"] as const;

/** Of those in a role, the one with the best median. */
function best(metric: MetricName, role: Role, contenders: readonly Contender[], samples: Samples): string | undefined {
  const sign = metricOf(metric).better === "more" ? -1 : 1;
  const score = ({ name }: Contender) => sign * median(sampled(metric, samples[name] ?? []));
  const [winner] = contenders.filter((one) => one.role === role).sort((a, b) => score(a) - score(b));
  return winner?.name;
}

export function ratiosOf(name: string, contenders: readonly Contender[], samples: Samples): Ratio[] {
  return compared.flatMap((metric) =>
    (["rival", "limit"] as const).flatMap((role): Ratio[] => {
      const against = best(metric, role, contenders, samples);
      if (against === undefined) return [];
      const ratio = pairedRatio(sampled(metric, samples[name] ?? []), sampled(metric, samples[against] ?? []));
      return [{ metric, against, role, figure: ratio }];
    }),
  );
}

/** The figures for the report, and the samples for further questions. */
export interface Contested {
  readonly contest: Contest;
  readonly samples: (contender: string, point: Point) => readonly Sample[];
}

const pointKey = ({ bytes, cache }: Point) => `${bytes} ${cache}`;

async function atPoint(
  point: Point,
  { contenders, rounds, progress, title }: ContestPlan,
  kept: Map<string, Samples>,
): Promise<Entry[]> {
  const field = contenders.filter(({ serves }) => serves?.(point) ?? true);
  const runs = Object.fromEntries(field.map((one) => [one.name, () => one.run(point)]));
  const where = `${title}, ${sizeName(point.bytes)}${point.cache === "cold" ? ", cold" : ""}`;
  // The first to run would pay for compiling, for threads and for memory's first touch.
  if (point.cache === "warm") await alternate(runs, 1, (name) => progress(`${where}: ${name}, to warm up`));
  const samples: Samples = await alternate(runs, rounds, (name, round) =>
    progress(`${where}: ${name}, round ${round + 1}`),
  );
  kept.set(pointKey(point), samples);
  const entries: Entry[] = [];
  for (const one of field) {
    progress(`${where}: ${one.name}, counted`);
    const entry = entryOf(one, point, samples[one.name] ?? [], await one.count?.(point));
    entries.push(one.role === "sluice" ? { ...entry, ratios: ratiosOf(one.name, field, samples) } : entry);
  }
  return entries;
}

export async function contest(plan: ContestPlan): Promise<Contested> {
  const { title, notes = [], absent = [] } = plan;
  const kept = new Map<string, Samples>();
  const entries: Entry[] = [];
  for (const point of plan.points) entries.push(...(await atPoint(point, plan, kept)));
  return {
    contest: { title, notes, entries, absent },
    samples: (contender, point) => kept.get(pointKey(point))?.[contender] ?? [],
  };
}

/** Those that could be set up, and the others with the reason. */
export async function assemble<T>(
  candidates: readonly { readonly name: string; readonly role: Role; readonly setUp: () => Promise<T> }[],
): Promise<{
  readonly present: { readonly name: string; readonly role: Role; readonly made: T }[];
  readonly absent: Absent[];
}> {
  const present: { name: string; role: Role; made: T }[] = [];
  const absent: Absent[] = [];
  for (const { name, role, setUp } of candidates)
    await orReason(
      async () => void present.push({ name, role, made: await setUp() }),
      (reason) => void absent.push({ name, role, reason }),
    );
  return { present, absent };
}
