/** One section of the page: a contest, rows of questions, claims of the articles, paths of the bytes, or a plain table. */
import { markDrawing } from "#cli/screen.js";
import { sizeName } from "../support/contest.ts";
import { type MetricName, metricOf } from "../support/metrics.ts";
import { bounds, tellMetric, tellRatio } from "../support/rows.ts";
import { escape, html, Markup } from "./markup.ts";
import { barPlot, colours, curvePlot, ratioPlot } from "./plots.ts";
import type { ReportClaim, ReportContest, ReportEntry, ReportPath, ReportRow, ReportSection } from "./schema.ts";

const columns: readonly (readonly [MetricName, string])[] = [
  ["throughput", "GB/s"],
  ["latency", "µs"],
  ["cpu", "CPU s/GB"],
  ["mainCpu", "main thread"],
  ["syscalls", "calls/GB"],
  ["syscallsPerRequest", "calls a body"],
  ["voluntary", "voluntary/GB"],
  ["involuntary", "involuntary/GB"],
  ["delay", "loop p99 ms"],
  ["rss", "RSS MiB"],
];

const grouped = (text: string) => text.replace(/\B(?=(\d{3})+(?!\d))(?<!\.\d*)/g, "\u202f");

function renderLegend(contest: ReportContest): Markup {
  const roles = new Map(contest.entries.map(({ contender, role }) => [contender, role]));
  return html`<ul class="legend">
    ${[...colours(contest)].map(
      ([name, colour]) => html`<li class="${roles.get(name) ?? ""}"><i style="border-color:${colour}"></i>${name}</li>`,
    )}
  </ul>`;
}

function renderEntries(entries: readonly ReportEntry[]): Markup {
  const shown = columns.filter(([name]) => entries.some(({ metrics }) => metrics[name] !== undefined));
  const withRatios = entries.some(({ ratios }) => ratios.length > 0);
  const cell = (entry: ReportEntry, [name, label]: readonly [MetricName, string]) =>
    html`<td data-label="${label}">${grouped(tellMetric(name, entry.metrics[name]))}</td>`;
  const ratios = (entry: ReportEntry) =>
    [tellRatio(entry, "rival"), tellRatio(entry, "limit")].filter(Boolean).join("; ");
  return html`<table class="stack">
    <thead>
      <tr>
        <th>contender</th>
        ${shown.map(([, label]) => html`<th>${label}</th>`)}${
          withRatios ? html`<th class="text">CPU beside the best</th>` : ""
        }
      </tr>
    </thead>
    <tbody>
      ${entries.map(
        (entry) =>
          html`<tr class="${entry.role}">
            <td>${entry.contender}</td>
            ${shown.map((column) => cell(entry, column))}${
              withRatios ? html`<td class="text" data-label="CPU beside the best ">${ratios(entry)}</td>` : ""
            }
          </tr>`,
      )}
    </tbody>
  </table>`;
}

interface Group {
  readonly bytes: number;
  readonly cache: ReportEntry["cache"];
  readonly entries: readonly ReportEntry[];
}

function groupsOf(entries: readonly ReportEntry[]): Group[] {
  const groups = new Map<string, Group & { entries: ReportEntry[] }>();
  for (const entry of entries) {
    const key = `${entry.bytes} ${entry.cache}`;
    const group = groups.get(key) ?? { bytes: entry.bytes, cache: entry.cache, entries: [] };
    group.entries.push(entry);
    groups.set(key, group);
  }
  return [...groups.values()];
}

const groupTitle = ({ bytes, cache }: Group) =>
  `${sizeName(bytes)}, ${cache === "cold" ? "not in memory" : "in memory"}`;

function renderContest(contest: ReportContest): Markup {
  const groups = groupsOf(contest.entries);
  const sizes = new Set(groups.map(({ bytes }) => bytes));
  const last = groups.at(-1);
  const curves: readonly MetricName[] = ["cpu", "throughput", "syscalls"];
  const plotted = curves.filter((metric) => contest.entries.some(({ metrics }) => metrics[metric] !== undefined));
  return html`${sizes.size > 1 ? renderLegend(contest) : ""}
    <div class="pair">
      ${
        sizes.size > 1
          ? plotted.map(
              (metric) =>
                html`<figure style="margin:0">
                  <h4>${metricOf(metric).label}, by size</h4>
                  ${curvePlot(contest, contest.entries, metric)}
                </figure>`,
            )
          : ""
      }${
        last === undefined
          ? ""
          : html`<figure style="margin:0">
              <h4>CPU at ${groupTitle(last)}: the main thread’s in full colour, other threads’ lighter</h4>
              ${barPlot(contest, last.entries)}
            </figure>`
      }
    </div>
    ${groups.map(
      (group) =>
        html`<details ${new Markup(groups.length === 1 ? "open" : "")}>
          <summary>${groupTitle(group)}: all figures</summary>
          ${renderEntries(group.entries)}
        </details>`,
    )}
    ${contest.absent.map(({ name, reason }) => html`<p class="note">Absent: ${name} (${reason})</p>`)}
    ${contest.notes.map((note) => html`<p class="note">${note}</p>`)}`;
}

const verdictClass: Readonly<Record<ReportRow["verdict"], string>> = {
  PASS: "good",
  MISS: "bad",
  SKIP: "quiet",
  "": "quiet",
};

function renderRow(row: ReportRow): Markup {
  const { question, unit, figure, detail, skipped, verdict } = row;
  const spread =
    figure === undefined || figure.count < 2 ? "" : figure.quartiles.map((value) => value.toFixed(2)).join("–");
  return html`<tr>
    <td class="text">${question}<small>${skipped ?? detail ?? ""}</small></td>
    <td data-label="median">
      ${figure === undefined ? "" : `${figure.median.toFixed(unit === "fds" ? 0 : 2)} ${unit}`}
    </td>
    <td data-label="quartiles">${spread}</td>
    <td data-label="target">${bounds(row)}</td>
    <td>${verdict === "" ? "" : html`<span class="mark ${verdictClass[verdict]}">${verdict}</span>`}</td>
  </tr>`;
}

function renderRows(rows: readonly ReportRow[]): Markup {
  return html`${ratioPlot(rows) ?? ""}
    <table class="stack">
      <thead>
        <tr>
          <th>question</th>
          <th>median</th>
          <th>quartiles</th>
          <th>target</th>
          <th></th>
        </tr>
      </thead>
      <tbody>
        ${rows.map(renderRow)}
      </tbody>
    </table>`;
}

const claimClass: Readonly<Record<ReportClaim["verdict"], string>> = {
  holds: "good",
  "holds in part": "warn",
  "out of date": "bad",
  wrong: "bad",
  "not testable here": "quiet",
};

function renderClaim({ article, claim, experiment, measured, verdict, comment }: ReportClaim): Markup {
  return html`<div class="claim">
    <span class="mark ${claimClass[verdict]}">${verdict}</span>
    <blockquote>${claim}</blockquote>
    <dl>
      <dt>says</dt>
      <dd>${article}</dd>
      <dt>tried</dt>
      <dd>${experiment}</dd>
      <dt>measured</dt>
      <dd>${measured}</dd>
      ${
        comment === undefined
          ? ""
          : html`<dt>so</dt>
              <dd>${comment}</dd>`
      }
    </dl>
  </div>`;
}

function renderPath({ mechanism, drawing, expected, counted }: ReportPath): Markup {
  const marked = markDrawing(escape(drawing), (colour, part) => `<span class="${colour}">${part}</span>`);
  const told: readonly (readonly [string, string])[] = [
    ["CPU copies, expected", expected.copies],
    ["mode switches a round, expected", String(expected.switchesPerRound)],
    ...counted,
  ];
  return html`<h4>${mechanism}</h4>
    <div class="path">
      <pre tabindex="0"><code>${new Markup(marked)}</code></pre>
      <dl class="counted">
        ${told.map(
          ([name, value]) =>
            html`<div>
              <dt>${name}</dt>
              <dd>${value}</dd>
            </div>`,
        )}
      </dl>
    </div>`;
}

function renderTable({ head, cells }: NonNullable<ReportSection["table"]>): Markup {
  return html`<table class="stack">
    <thead>
      <tr>
        ${head.map((name) => html`<th>${name}</th>`)}
      </tr>
    </thead>
    <tbody>
      ${cells.map(
        (row) =>
          html`<tr>
            ${row.map((cell, i) => html`<td data-label="${i === 0 ? "" : (head[i] ?? "")}">${cell}</td>`)}
          </tr>`,
      )}
    </tbody>
  </table>`;
}

export function renderSection({ title, rows, contest, claims, paths, table }: ReportSection): Markup {
  return html`<article class="card">
    <h3>${title}</h3>
    ${contest ? renderContest(contest) : ""}${rows ? renderRows(rows) : ""}${
      paths ? paths.map(renderPath) : ""
    }${claims ? claims.map(renderClaim) : ""}${table ? renderTable(table) : ""}
  </article>`;
}
