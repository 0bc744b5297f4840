/** The plots, as SVG. Colours are variables of the page's style, so that one drawing serves light and dark. */
import * as Plot from "@observablehq/plot";
import { extent } from "d3-array";
import { parseHTML } from "linkedom";
import { sizeName } from "../support/contest.ts";
import { type MetricName, metricOf } from "../support/metrics.ts";
import { Markup } from "./markup.ts";
import type { ReportContest, ReportEntry, Figure, ReportRow } from "./schema.ts";

const { document } = parseHTML("<!doctype html><html><body></body></html>");

/** A page that is read on a phone gets the narrow one: letters don't shrink. */
const widths = { wide: 490, narrow: 320 } as const;
type Width = keyof typeof widths;

const families = { sluice: 5, rival: 6, limit: 6 } as const;

/** Of a contender in its contest: by its role, and its place among those of the role. */
export function colours({ entries }: ReportContest): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const counts = { sluice: 0, rival: 0, limit: 0 };
  for (const { contender, role } of entries)
    if (!found.has(contender)) found.set(contender, `var(--${role}-${(counts[role]++ % families[role]) + 1})`);
  return found;
}

type Options = Parameters<typeof Plot.plot>[0];

/** One plot for each width; the page's style shows one of them. */
function both(label: string, options: (width: Width) => Options): Markup {
  const drawn = (Object.keys(widths) as Width[]).map((width) => {
    const svg = Plot.plot({
      document,
      width: widths[width],
      style: { background: "transparent", color: "inherit", fontSize: "11px", fontFamily: "inherit" },
      ...options(width),
    } as Options);
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", label);
    return `<div class="plot ${width}">${String(svg.outerHTML)}</div>`;
  });
  return new Markup(drawn.join(""));
}

interface Spot {
  readonly contender: string;
  readonly role: ReportEntry["role"];
  readonly bytes: number;
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

function spots(entries: readonly ReportEntry[], metric: MetricName): Spot[] {
  return entries.flatMap(({ contender, role, bytes, metrics }) => {
    const figure = metrics[metric];
    if (figure === undefined || !(figure.median > 0)) return [];
    const [low, high] = figure.quartiles;
    return [{ contender, role, bytes, value: figure.median, low: Math.max(low, figure.median / 100), high }];
  });
}

const shortSize = (bytes: number) => sizeName(bytes).replace(/ ?(K|M|G)iB/, "$1");

/** "0.05", "20", "20k", "3M". */
function decimal(value: number): string {
  const power = value >= 1e6 ? 2 : value >= 1e4 ? 1 : 0;
  return `${Number((value / 1000 ** power).toPrecision(2))}${["", "k", "M"][power]}`;
}

/** Numbers of a series that is the same in each power of ten: from the last below all values to the first above them. */
function marksAround(least: number, most: number, steps: readonly number[]): number[] {
  const series: number[] = [];
  for (let power = Math.floor(Math.log10(least)); power <= Math.log10(most) + 1; power++)
    // Not 10 ** power * step, which may be 0.30000000000000004.
    for (const step of steps) series.push(Number(`${step}e${power}`));
  const from = series.filter((step) => step <= least).length - 1;
  const to = Math.max(
    from + 1,
    series.findIndex((step) => step >= most),
  );
  return series.slice(from, to + 1);
}

/** Tick marks beyond which only powers of ten are marked. */
const mostTicks = 7;

/**
 * A logarithmic scale of which both ends are marked. Left to themselves such scales mark powers of ten alone, and
 * figures that are close to each other may have none between them.
 */
function logScale(values: readonly number[]): { domain: [number, number]; ticks: number[] } {
  const [least = 1, most = least] = extent(values.filter((value) => value > 0 && Number.isFinite(value)));
  const coarse = marksAround(least, most, [1, 2, 5]);
  const marks = coarse.length > 2 ? coarse : marksAround(least, most, [1, 1.5, 2, 3, 4, 5, 6, 8]);
  const tens = marks.filter((mark) => /^(?:10*|0\.0*1|1e.+)$/.test(String(mark)));
  const domain: [number, number] = [marks[0] ?? least, marks.at(-1) ?? most];
  return { domain, ticks: marks.length > mostTicks && tens.length > 1 ? tens : marks };
}

/** A metric by size of the body, both logarithmic. */
export function curvePlot(contest: ReportContest, entries: readonly ReportEntry[], metric: MetricName): Markup {
  const colour = colours(contest);
  const data = spots(entries, metric);
  const sizes = [...new Set(data.map(({ bytes }) => bytes))].sort((a, b) => a - b);
  const { label, unit } = metricOf(metric);
  const stroke = ({ contender }: Spot) => colour.get(contender);
  const emphasis = ({ role }: Spot) => (role === "sluice" ? 2.6 : 1.4);
  return both(`${label} in ${unit} by size of the body`, (width) => ({
    height: width === "wide" ? 320 : 300,
    marginLeft: 46,
    marginRight: 14,
    marginBottom: 34,
    x: {
      type: "log",
      // Powers of four: with base 10 half of the ticks would have no label.
      base: 2,
      label: "size of the body →",
      ticks: width === "wide" || sizes.length < 7 ? sizes : sizes.filter((_, i) => i % 2 === 0),
      tickFormat: shortSize,
    },
    y: {
      type: "log",
      label: `↑ ${label}, ${unit}`,
      grid: true,
      tickFormat: decimal,
      ...logScale(data.flatMap(({ low, value, high }) => [low, value, high])),
    },
    color: { type: "identity" },
    marks: [
      Plot.link(data, { x1: "bytes", x2: "bytes", y1: "low", y2: "high", stroke, strokeOpacity: 0.45, strokeWidth: 4 }),
      Plot.line(
        data.filter(({ role }) => role === "limit"),
        { x: "bytes", y: "value", z: "contender", stroke, strokeWidth: 1.4, strokeDasharray: "4 3" },
      ),
      Plot.line(
        data.filter(({ role }) => role !== "limit"),
        { x: "bytes", y: "value", z: "contender", stroke, strokeWidth: emphasis },
      ),
      Plot.dot(data, { x: "bytes", y: "value", fill: stroke, r: ({ role }: Spot) => (role === "sluice" ? 3.6 : 2.6) }),
    ],
  }));
}

interface Bar {
  readonly contender: string;
  readonly from: number;
  readonly to: number;
  readonly fill: string;
  readonly opacity: number;
}

/** CPU of each contender at one point: the main thread's in full colour, other threads' lighter behind it. */
export function barPlot(contest: ReportContest, entries: readonly ReportEntry[]): Markup {
  const colour = colours(contest);
  const shown = entries.filter(({ metrics }) => (metrics["cpu"]?.median ?? 0) > 0);
  const cpu = ({ metrics }: ReportEntry) => metrics["cpu"]?.median ?? 0;
  const order = [...shown].sort((a, b) => cpu(a) - cpu(b)).map(({ contender }) => contender);
  const bars = shown.flatMap((entry): Bar[] => {
    const all = cpu(entry);
    const main = Math.min(all, entry.metrics["mainCpu"]?.median ?? all);
    const fill = colour.get(entry.contender) ?? "currentColor";
    return [
      { contender: entry.contender, from: 0, to: main, fill, opacity: 1 },
      { contender: entry.contender, from: main, to: all, fill, opacity: 0.5 },
    ];
  });
  const whiskers = shown.map(({ contender, metrics }) => {
    const [low, high] = metrics["cpu"]?.quartiles ?? [0, 0];
    return { contender, low, high };
  });
  const names = shown.map((entry) => ({
    contender: entry.contender,
    text: `${entry.contender}   ${cpu(entry).toFixed(3)}`,
  }));
  return both("CPU seconds per GB of each contender", () => ({
    height: 42 * order.length + 46,
    marginLeft: 6,
    marginRight: 14,
    marginTop: 22,
    marginBottom: 34,
    x: { label: "CPU of the server, s/GB →", grid: true, ticks: 4, nice: true, zero: true },
    y: { domain: order, axis: null, padding: 0.5 },
    color: { type: "identity" },
    marks: [
      Plot.barX(bars, { x1: "from", x2: "to", y: "contender", fill: "fill", fillOpacity: "opacity", rx: 2 }),
      Plot.ruleY(whiskers, { x1: "low", x2: "high", y: "contender", strokeWidth: 1.4, stroke: "currentColor" }),
      Plot.text(names, { x: 0, y: "contender", text: "text", textAnchor: "start", dy: -18, fill: "currentColor" }),
      Plot.ruleX([0], { stroke: "currentColor", strokeOpacity: 0.5 }),
    ],
  }));
}

interface RatioSpot {
  readonly question: string;
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly bound: number | undefined;
  readonly fill: string;
}

const verdictFill: Readonly<Record<ReportRow["verdict"], string>> = {
  PASS: "var(--good)",
  MISS: "var(--bad)",
  SKIP: "var(--muted)",
  "": "var(--sluice-1)",
};

const isRatio = (row: ReportRow): row is ReportRow & { readonly figure: Figure } =>
  row.unit === "×" && row.figure !== undefined && row.figure.median > 0;

/** Ratios on one logarithmic scale, with their quartiles and targets; undefined where there are none. */
export function ratioPlot(rows: readonly ReportRow[]): Markup | undefined {
  const shown = rows.filter(isRatio).map(({ question, figure, target, atLeast, verdict }): RatioSpot => {
    const [low, high] = figure.quartiles;
    return { question, value: figure.median, low, high, bound: target ?? atLeast, fill: verdictFill[verdict] };
  });
  if (shown.length < 2) return undefined;
  const wrap = (text: string, length: number) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);
  return both("Ratios with their quartiles and targets", (width) => ({
    height: 38 * shown.length + 46,
    marginLeft: 10,
    marginRight: 18,
    marginTop: 22,
    marginBottom: 34,
    x: {
      type: "log",
      label: "ratio →",
      grid: true,
      tickFormat: decimal,
      // 1 is drawn in any case.
      ...logScale([1, ...shown.flatMap(({ low, value, high, bound = value }) => [low, value, high, bound])]),
    },
    y: { type: "band", domain: shown.map(({ question }) => question), axis: null, padding: 0.5 },
    color: { type: "identity" },
    marks: [
      Plot.ruleX([1], { stroke: "currentColor", strokeOpacity: 0.55, strokeDasharray: "3 3" }),
      Plot.ruleY(shown, { x1: "low", x2: "high", y: "question", stroke: "fill", strokeWidth: 3, strokeOpacity: 0.5 }),
      Plot.tickX(
        shown.filter(({ bound }) => bound !== undefined),
        { x: "bound", y: "question", stroke: "currentColor", strokeWidth: 2, insetTop: 8, insetBottom: 8 },
      ),
      Plot.dot(shown, { x: "value", y: "question", fill: "fill", r: 4.5 }),
      Plot.text(shown, {
        frameAnchor: "left",
        y: "question",
        text: ({ question, value }: RatioSpot) => `${wrap(question, width === "wide" ? 72 : 44)}  ${decimal(value)}×`,
        textAnchor: "start",
        dy: -15,
        fill: "currentColor",
      }),
    ],
  }));
}
