/** From what suites hand back to the report. */
import { metricNames, metricOf } from "../support/metrics.ts";
import { median } from "../support/stats.ts";
import {
  type BenchReport,
  type ReportEnvironment,
  type Figure,
  type ReportNoise,
  type ReportSection,
  schemaName,
} from "./schema.ts";

/** Every figure that has a spread. */
function* figuresOf(sections: readonly ReportSection[]): Generator<Figure> {
  for (const { rows = [], contest } of sections) {
    for (const { figure } of rows) if (figure !== undefined) yield figure;
    for (const { metrics } of contest?.entries ?? []) yield* Object.values(metrics);
  }
}

export function relativeSpread({ median: middle, quartiles: [low, high] }: Figure): number {
  return (high - low) / Math.abs(middle);
}

export interface MachineLoad {
  readonly loadAtStart: number;
  readonly loadAtEnd: number;
  readonly stolen: number;
  readonly cores: number;
}

const quietSpread = 0.05;
const noisySpread = 0.2;

export function noiseOf(
  { loadAtStart, loadAtEnd, stolen, cores }: MachineLoad,
  sections: readonly ReportSection[],
): ReportNoise {
  const spreads = [...figuresOf(sections)]
    .filter(({ count, median: middle }) => count > 2 && middle !== 0)
    .map(relativeSpread)
    .filter(Number.isFinite);
  const spread = spreads.length === 0 ? Number.NaN : median(spreads);
  const complaints = [
    ...(loadAtStart > cores / 2
      ? [`others were at work when it began (load ${loadAtStart.toFixed(1)} on ${cores} cores)`]
      : []),
    ...(stolen > 0.01 ? [`the host took ${(stolen * 100).toFixed(1)} % of the processors' time`] : []),
    ...(spread > noisySpread ? [`half of a figure's rounds lie typically ${(spread * 100).toFixed(0)} % apart`] : []),
  ];
  const remark =
    complaints.length > 0
      ? `Noisy: ${complaints.join("; ")}. Trust the ratios, and those only beyond the spread that is shown.`
      : spread < quietSpread
        ? "Quiet: the quartiles lie within 5 % of each other."
        : "Usual for a shared machine: look at the spread beside each figure.";
  return { loadAtStart, loadAtEnd, stolen, spread, remark };
}

export interface Ran {
  readonly version: string;
  readonly mode: "quick" | "full";
  readonly rounds: number;
  readonly created: Date;
  readonly durationS: number;
  readonly environment: ReportEnvironment;
  readonly observed: MachineLoad;
  readonly suites: Readonly<Record<string, readonly ReportSection[]>>;
  readonly failures?: readonly string[];
}

export function buildReport({
  version,
  mode,
  rounds,
  created,
  durationS,
  environment,
  observed,
  suites,
  failures = [],
}: Ran): BenchReport {
  const told = Object.entries(suites).map(([name, sections]) => ({ name, sections }));
  return {
    schema: schemaName,
    created: created.toISOString(),
    version,
    mode,
    rounds,
    durationS,
    environment,
    noise: noiseOf(
      observed,
      told.flatMap(({ sections }) => sections),
    ),
    metrics: Object.fromEntries(
      metricNames.map((name) => {
        const { label, unit, better } = metricOf(name);
        return [name, { label, unit, better }];
      }),
    ),
    suites: told,
    ...(failures.length > 0 && { failures }),
  };
}
