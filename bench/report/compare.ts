/**
 * Two reports side by side: what became worse beyond the noise.
 *
 * A contender of Sluice's is compared with what it was after the others in the same contest have been: what all
 * became by the same factor is the machine's doing. It counts as worse only when the quartiles of the two don't touch
 * and the change is larger than 5 % and than one and a half times the spread.
 */
import { sizeName } from "../support/contest.ts";
import { median } from "../support/stats.ts";
import { relativeSpread } from "./build.ts";
import type { BenchReport, ReportContest, ReportEntry, Figure, ReportRow } from "./schema.ts";

export type Judgement = "worse" | "better" | "same" | "unclear";

export interface Change {
  readonly suite: string;
  readonly where: string;
  readonly what: string;
  readonly unit: string;
  readonly old: Figure;
  readonly now: Figure;
  /** Relative, without the machine's own; positive is worse, whichever way the metric counts. */
  readonly change: number;
  /** By how much all others in the contest changed. */
  readonly drift: number;
  readonly judgement: Judgement;
}

export interface Comparison {
  readonly changes: readonly Change[];
  /** In which ways the two machines differ: figures of different machines are no regressions. */
  readonly differences: readonly string[];
  /** What only one of the two has. */
  readonly gone: readonly string[];
  readonly added: readonly string[];
}

const leastChange = 0.05;
const spreads = 1.5;
/** With fewer rounds a spread says nothing. */
const leastRounds = 3;
const unclearChange = 0.25;

export function judge(
  old: Figure,
  now: Figure,
  better: "more" | "less",
  drift = 0,
): Pick<Change, "change" | "judgement"> {
  const ratio = now.median / old.median / (1 + drift);
  // Half the throughput is as bad as twice the cost.
  const change = better === "less" ? ratio - 1 : 1 / ratio - 1;
  if (old.median === now.median) return { change: 0, judgement: "same" };
  if (!Number.isFinite(change)) return { change, judgement: "unclear" };
  if (Math.min(old.count, now.count) < leastRounds)
    return { change, judgement: Math.abs(change) > unclearChange ? "unclear" : "same" };
  const [low, high] = now.quartiles.map((value) => value / (1 + drift));
  const apart = (low ?? 0) > old.quartiles[1] || (high ?? 0) < old.quartiles[0];
  const noise = Math.hypot(relativeSpread(old), relativeSpread(now));
  if (!apart || Math.abs(change) <= Math.max(leastChange, spreads * noise)) return { change, judgement: "same" };
  return { change, judgement: change > 0 ? "worse" : "better" };
}

const entryKey = ({ contender, bytes, cache }: ReportEntry) => `${contender}, ${sizeName(bytes)}, ${cache}`;

/** The median change of all but Sluice's own at a point: the machine's. */
function driftOf(metric: string, point: ReportEntry, old: ReportContest, now: ReportContest): number {
  const before = new Map(old.entries.map((one) => [entryKey(one), one]));
  const changes = now.entries
    .filter(({ role, bytes, cache }) => role !== "sluice" && bytes === point.bytes && cache === point.cache)
    .map(
      (one) =>
        (one.metrics[metric]?.median ?? Number.NaN) /
          (before.get(entryKey(one))?.metrics[metric]?.median ?? Number.NaN) -
        1,
    )
    .filter(Number.isFinite);
  return changes.length === 0 ? 0 : median(changes);
}

interface Location {
  readonly suite: string;
  readonly where: string;
}

function compareContests(
  location: Location,
  old: ReportContest,
  now: ReportContest,
  { metrics }: BenchReport,
): Change[] {
  const before = new Map(old.entries.map((one) => [entryKey(one), one]));
  return now.entries
    .filter(({ role }) => role === "sluice")
    .flatMap((entry) =>
      Object.entries(entry.metrics).flatMap(([name, figure]): Change[] => {
        const was = before.get(entryKey(entry))?.metrics[name];
        const metric = metrics[name];
        if (was === undefined || metric === undefined) return [];
        const drift = driftOf(name, entry, old, now);
        const what = `${entryKey(entry)}: ${metric.label}`;
        return [
          {
            ...location,
            what,
            unit: metric.unit,
            old: was,
            now: figure,
            drift,
            ...judge(was, figure, metric.better, drift),
          },
        ];
      }),
    );
}

/** A row without a target doesn't say which way is better. */
function compareRows(location: Location, old: readonly ReportRow[], now: readonly ReportRow[]): Change[] {
  return now.flatMap(({ question, unit, figure, target, atLeast }): Change[] => {
    const was = old.find((row) => row.question === question)?.figure;
    if (figure === undefined || was === undefined || (target === undefined && atLeast === undefined)) return [];
    const better = atLeast === undefined ? "less" : "more";
    return [{ ...location, what: question, unit, old: was, now: figure, drift: 0, ...judge(was, figure, better) }];
  });
}

function differencesOf(old: BenchReport, now: BenchReport): string[] {
  const facts = ({ environment, mode }: BenchReport): Readonly<Record<string, string>> => ({
    mode,
    kernel: environment.kernel,
    CPU: `${environment.cores} × ${environment.cpu}`,
    memory: `${(environment.memoryBytes / 2 ** 30).toFixed(0)} GiB`,
    ...Object.fromEntries(Object.entries(environment.versions)),
    ...Object.fromEntries(environment.filesystems.map(({ folder, type }) => [folder, type])),
  });
  const before = facts(old);
  return Object.entries(facts(now)).flatMap(([name, value]) =>
    before[name] === undefined || before[name] === value ? [] : [`${name}: ${before[name]} → ${value}`],
  );
}

const severity: Readonly<Record<Judgement, number>> = { worse: 0, better: 1, unclear: 2, same: 3 };

export function compareReports(old: BenchReport, now: BenchReport): Comparison {
  const sectionsOf = ({ suites }: BenchReport) =>
    new Map(
      suites.flatMap(({ name, sections }) =>
        sections.map((one) => [`${name}: ${one.title}`, { suite: name, ...one }] as const),
      ),
    );
  const [before, after] = [sectionsOf(old), sectionsOf(now)];
  const ranBoth = new Set(
    old.suites.map(({ name }) => name).filter((name) => now.suites.some((one) => one.name === name)),
  );
  const only = (here: typeof before, there: typeof before) =>
    [...here].filter(([key, { suite }]) => ranBoth.has(suite) && !there.has(key)).map(([key]) => key);
  const changes = [...after].flatMap(([key, section]) => {
    const was = before.get(key);
    if (was === undefined) return [];
    const location = { suite: section.suite, where: section.title };
    return [
      ...(section.contest && was.contest ? compareContests(location, was.contest, section.contest, now) : []),
      ...compareRows(location, was.rows ?? [], section.rows ?? []),
    ];
  });
  return {
    changes: changes.sort((a, b) => severity[a.judgement] - severity[b.judgement] || b.change - a.change),
    differences: differencesOf(old, now),
    gone: only(before, after),
    added: only(after, before),
  };
}

const percent = (value: number) => `${value >= 0 ? "+" : "−"}${Math.abs(value * 100).toFixed(0)} %`;

export function tellChange({ suite, where, what, unit, old, now, change, drift }: Change): string {
  const machine = Math.abs(drift) < 0.01 ? "" : ` (the machine itself ${percent(drift)})`;
  const show = ({ median: value }: Figure) => Number(value.toPrecision(3)).toString();
  return `${suite}: ${where}: ${what}: ${show(old)} → ${show(now)} ${unit}, ${percent(change)} ${change > 0 ? "worse" : "better"}${machine}`;
}

export function tellComparison({ changes, differences, gone, added }: Comparison): string {
  const of = (judgement: Judgement) => changes.filter((one) => one.judgement === judgement);
  const lines = (title: string, which: readonly string[]) =>
    which.length === 0 ? [] : [`${title}:`, ...which.map((one) => `  ${one}`)];
  return [
    `${of("worse").length} worse, ${of("better").length} better, ${of("same").length} the same within the noise, ${of("unclear").length} unclear`,
    ...lines("Worse", of("worse").map(tellChange)),
    ...lines("Better", of("better").map(tellChange)),
    ...lines("Unclear: too few rounds to tell, or counted once", of("unclear").map(tellChange)),
    ...lines("The machines differ", differences),
    ...lines("No longer there", gone),
    ...lines("New", added),
  ].join("\n");
}
