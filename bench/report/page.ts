/** The report for people: one file, which loads nothing and runs nothing. */
import { definitions, html, Markup } from "./markup.ts";
import { type Change, type Comparison, tellChange } from "./compare.ts";
import type { BenchReport, ReportEnvironment } from "./schema.ts";
import { renderSection } from "./sections.ts";
import { style } from "./style.ts";

const suiteTitles: Readonly<Record<string, string>> = {
  "file-to-socket": "A file to a socket",
  copy: "File to file",
  http: "Files over HTTP",
  bodies: "Bodies that come from a connection",
  proxy: "Proxies",
  ipc: "Between processes",
  runtimes: "Node, Bun, Deno",
  wasi: "WASI",
  scale: "At scale",
  map: "Files as memory",
  memory: "Memory to a socket",
  cost: "What it costs beside the bytes",
  tries: "What was tried",
  articles: "The articles, reproduced",
};

const titleOf = (name: string) => suiteTitles[name] ?? name;

function renderFacts(where: ReportEnvironment): Markup {
  const features = ({ scatterGather, tso, txChecksum, unknown }: ReportEnvironment["interfaces"][number]) =>
    unknown ??
    `scatter/gather ${scatterGather ? "on" : "off"}, TSO ${tso ? "on" : "off"}, checksums ${txChecksum ? "on" : "off"}`;
  const listed = (all: Readonly<Record<string, string>>, is: string, between: string) =>
    Object.entries(all)
      .map(([name, value]) => `${name}${is}${value}`)
      .join(between);
  return definitions("facts", [
    ["kernel", where.kernel],
    ["processor", `${where.cores} × ${where.cpu}, ${where.arch}${where.virtual ? ", virtual" : ""}`],
    ["memory", `${(where.memoryBytes / 2 ** 30).toFixed(1)} GiB`],
    ["filesystems", where.filesystems.map(({ folder, type }) => `${folder} ${type}`).join(", ")],
    ["interfaces", where.interfaces.map((one) => `${one.name}: ${features(one)}`).join("; ")],
    ["programs", listed(where.versions, " ", ", ")],
    ["kernel settings", listed(where.settings, " = ", "; ")],
    ["privileges", where.privileged ? "root" : "none"],
  ]);
}

function renderChanges(title: string, kind: string, changes: readonly Change[]): Markup {
  if (changes.length === 0) return html``;
  return html`<h4>${title}</h4>
    <ul>
      ${changes.map((one) => html`<li class="${kind}">${tellChange(one)}</li>`)}
    </ul>`;
}

function renderComparison({ changes, differences, gone, added }: Comparison): Markup {
  const of = (judgement: Change["judgement"]) => changes.filter((one) => one.judgement === judgement);
  const worse = of("worse");
  const others = [...gone.map((one) => `no longer there: ${one}`), ...added.map((one) => `new: ${one}`)];
  return html`<section id="comparison">
    <h2>Compared with an earlier run</h2>
    <p>
      <span class="mark ${worse.length > 0 ? "bad" : "good"}">${worse.length} worse</span> ${of("better").length}
      better, ${of("same").length} the same within the noise, ${of("unclear").length} unclear. What all contenders
      became together is the machine’s doing, and is deducted.
    </p>
    ${differences.length > 0 ? html`<p class="warn">The machines differ: ${differences.join("; ")}</p>` : ""}
    ${renderChanges("Worse beyond the noise", "bad", worse)}
    ${renderChanges("Better beyond the noise", "good", of("better"))}
    ${renderChanges("Unclear: too few rounds, or counted once", "quiet", of("unclear"))}
    ${others.length > 0 ? html`<p class="note">${others.join("; ")}</p>` : ""}
  </section>`;
}

const spreadOf = ({ spread }: BenchReport["noise"]) =>
  Number.isFinite(spread) ? `typical spread ${(spread * 100).toFixed(0)} %` : "too few rounds to tell a spread";

/** @returns an HTML document in UTF-8 */
export function renderPage(report: BenchReport, comparison?: Comparison): string {
  const { created, version, mode, rounds, durationS, environment, noise, suites, failures = [] } = report;
  const loud = noise.remark.startsWith("Noisy");
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>Sluice ${version}: benchmark</title>
        <style>
          ${new Markup(style)}
        </style>
      </head>
      <body>
        <header>
          <h1>What moving bytes costs</h1>
          <p class="lead">
            Sluice ${version} beside the best that this machine has, and beside tight loops in C: ${mode} mode,
            ${rounds} ${rounds === 1 ? "round" : "rounds"} in turns, ${created.slice(0, 16).replace("T", " ")} UTC,
            ${Math.max(1, Math.round(durationS / 60))} min. Figures are medians; bars and shades are the middle half of
            the rounds.
          </p>
          <div class="noise ${loud ? "loud" : ""}">
            <strong>Noise.</strong> ${noise.remark}
            <span class="note"
              >Load ${noise.loadAtStart.toFixed(2)} at the start and ${noise.loadAtEnd.toFixed(2)} at the end;
              ${(noise.stolen * 100).toFixed(1)} % of the time taken by the host; ${spreadOf(noise)}.</span
            >
          </div>
          ${failures.map((one) => html`<p class="warn">Failed: ${one}</p>`)} ${renderFacts(environment)}
          <nav>
            ${comparison ? html`<a href="#comparison">Comparison</a>` : ""}${suites.map(({ name }) => html`<a href="#${name}">${titleOf(name)}</a>`)}
          </nav>
        </header>
        <main>
          ${comparison ? renderComparison(comparison) : ""}
          ${suites.map(
            ({ name, sections }) =>
              html`<section id="${name}">
                <h2>${titleOf(name)}</h2>
                ${sections.map(renderSection)}
              </section>`,
          )}
        </main>
        <footer>
          Made by <code>sluice bench</code>; the same as data: <code>sluice bench --json</code>, ${report.schema}. “GB”
          is 10⁹ bytes, “GiB” 2³⁰. CPU is user and system time of the serving process; the client’s is not in it.
        </footer>
      </body>
    </html> `;
  return page.text;
}
