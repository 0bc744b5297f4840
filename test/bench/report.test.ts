/** The report: its checks, its page as a browser shows it, and what counts as a regression. The figures are made up, the rest is real. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseHTML } from "linkedom";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { compareReports } from "#bench/report/compare.js";
import { renderPage } from "#bench/report/page.js";
import { type BenchReport, readReport } from "#bench/report/schema.js";
import type { Contest, Entry, Role } from "#bench/support/contest.js";
import { contestSection, section } from "#bench/support/rows.js";
import { figure } from "#bench/support/stats.js";
import { cli, parseJson } from "../cli/cli.ts";
import { withProgram } from "../http/support/programs.ts";
import { runChild } from "../support/child.ts";
import { tempFolder } from "../support/temp.ts";
import { reportOf } from "./support/report.ts";

const sizes = [4096, 1 << 20, 2 ** 30];

/** Seconds per GB that each takes, before the noise. */
type Costs = Readonly<Record<"transfer()" | "Node streams" | "C <sendfile> & co", number>>;
const roles: Readonly<Record<keyof Costs, Role>> = {
  "transfer()": "sluice",
  "Node streams": "rival",
  "C <sendfile> & co": "limit",
};
const usual: Costs = { "transfer()": 0.2, "Node streams": 0.9, "C <sendfile> & co": 0.18 };

function entriesOf(costs: Costs, noise: number): Entry[] {
  const around = (value: number) => figure([-2, -1, 0, 1, 2].map((step) => value * (1 + step * noise)));
  return sizes.flatMap((bytes) =>
    (Object.keys(roles) as (keyof Costs)[]).map((contender): Entry => {
      const cpu = costs[contender];
      return {
        contender,
        role: roles[contender],
        bytes,
        cache: "warm",
        metrics: { cpu: around(cpu), mainCpu: around(cpu / 4), throughput: around(1 / cpu), syscalls: figure([5000]) },
        ratios: [],
      };
    }),
  );
}

function reportWith(costs: Costs, noise = 0.005): BenchReport {
  const contest: Contest = {
    title: "A contest",
    notes: ["A note"],
    entries: entriesOf(costs, noise),
    absent: [{ name: "nginx", role: "rival", reason: "there is no nginx" }],
  };
  const claim = {
    article: "An article",
    claim: "write(2) is ended by SIGBUS",
    experiment: "tried",
    measured: "EFAULT",
    verdict: "out of date",
  } as const;
  const path = {
    mechanism: "sendfile",
    drawing: "page cache ─▶ socket",
    expected: { copies: "0 or 1", switchesPerRound: 2 },
    counted: [["system calls for 64 KiB", "1"]],
  } as const;
  return reportOf({
    "file-to-socket": [
      contestSection(contest),
      section("Rows", [
        { question: "CPU / streams", unit: "×", target: 0.35, figure: figure([0.22, 0.23, 0.24]) },
        { question: "CPU / cp", unit: "×", target: 1, figure: figure([1.2, 1.3, 1.4]) },
        { question: "on another machine", unit: "ms", skipped: "this kernel can't" },
      ]),
    ],
    articles: [
      { title: "Claims", claims: [claim] },
      { title: "Paths", paths: [path] },
    ],
  });
}

test("a report is read back as it was written; what is none is refused with the place", () => {
  const report = reportWith(usual);
  const text = JSON.stringify(report);
  assert.equal(JSON.parse(JSON.stringify(readReport(text, "a.json"))), JSON.parse(text));
  assert.throws(() => readReport('{"schema":"other/1"}', "a.json"), /a\.json is no report of sluice-bench\/1/);
  const broken = text.replace('"cores":2', '"cores":"two"');
  assert.throws(
    () => readReport(broken, "a.json"),
    /a\.json\.environment\.cores: Invalid input: expected number, received string/,
  );
});

test("the page loads nothing, runs nothing, and shows every contender, figure, target and claim", () => {
  const page = renderPage(reportWith(usual));
  // The one address is the name of SVG's language.
  const addresses = page.match(/https?:\/\/[^"'\s)]+/g) ?? [];
  assert.equal(
    [...new Set(addresses)].filter((address) => !address.startsWith("http://www.w3.org/")),
    [],
  );
  for (const loading of [/<script/i, /<link\b/i, /<img\b/i, /@import/, /url\((?!#)/, /\bon\w+=/])
    assert.not.match(page, loading);
  assert.not.match(page, "C <sendfile>");
  for (const part of [
    "C &lt;sendfile&gt; &amp; co",
    "Node streams",
    "Absent: nginx (there is no nginx)",
    "0.900",
    "PASS",
    "MISS",
    "SKIP",
    "this kernel can't",
    "out of date",
    "write(2) is ended by SIGBUS",
    "page cache ─▶ socket",
    "0 or 1",
    "scatter/gather on, TSO on, checksums off",
    "net.ipv4.tcp_wmem = 4096 16384 4194304",
    "Quiet: the quartiles lie within 5 %",
  ])
    assert.ok(page.includes(part), part);
  // Three curves, the bars and the ratios; each for wide and for narrow screens.
  assert.is(page.match(/<svg\b/g)?.length, 2 * 5);
  // A point for each contender and size in each curve, and the two ratios.
  assert.is(page.match(/<circle\b/g)?.length, 2 * (3 * sizes.length * Object.keys(roles).length + 2));
});

/** The numbers beside an axis of each drawing: the vertical one of curves, the horizontal one of bars and ratios. */
function numbersOf(page: string): { label: string; numbers: number[] }[] {
  const { document } = parseHTML(page);
  return [...document.querySelectorAll("svg")].map((svg) => {
    const label = svg.getAttribute("aria-label") ?? "";
    const axis = label.endsWith("by size of the body") ? "y" : "x";
    const texts = [...svg.querySelectorAll(`[aria-label="${axis}-axis tick label"] text`)];
    return { label, numbers: texts.map(({ textContent }) => Number.parseFloat(textContent ?? "")) };
  });
}

test("each plot has numbers beside its axis, wherever its figures lie and however close they are", () => {
  const close = { "transfer()": 0.21, "Node streams": 0.24, "C <sendfile> & co": 0.22 };
  const far = { "transfer()": 0.0004, "Node streams": 9, "C <sendfile> & co": 0.3 };
  for (const costs of [usual, close, far]) {
    const plots = numbersOf(renderPage(reportWith(costs)));
    assert.is(plots.length, 2 * 5);
    for (const { label, numbers } of plots) {
      assert.ok(numbers.length >= 2, `${label}: ${numbers.join(", ")}`);
      assert.ok(numbers.length <= 12, `${label}: ${numbers.join(", ")}`);
      assert.ok(numbers.every(Number.isFinite), `${label}: ${numbers.join(", ")}`);
      assert.is(new Set(numbers).size, numbers.length, `${label}: ${numbers.join(", ")}`);
    }
  }
});

const judged = (old: BenchReport, now: BenchReport, metric: string) =>
  compareReports(old, now)
    .changes.filter(({ what }) => what.endsWith(metric))
    .map(({ judgement }) => judgement);

test("worse is what is worse than the machine and than the noise; better likewise", () => {
  const old = reportWith(usual);
  const all = (word: string) => sizes.map(() => word);
  const cpu = "CPU, all threads";
  assert.equal(judged(old, old, cpu), all("same"));
  assert.equal(judged(old, reportWith({ ...usual, "transfer()": 0.3 }), cpu), all("worse"));
  assert.equal(judged(old, reportWith({ ...usual, "transfer()": 0.3 }), "throughput"), all("worse"));
  assert.equal(judged(old, reportWith({ ...usual, "transfer()": 0.1 }), cpu), all("better"));
  const slowMachine = { "transfer()": 0.4, "Node streams": 1.8, "C <sendfile> & co": 0.36 };
  assert.equal(judged(old, reportWith(slowMachine), cpu), all("same"));
  const noisy = reportWith({ ...usual, "transfer()": 0.26 }, 0.3);
  assert.equal(judged(reportWith(usual, 0.3), noisy, cpu), all("same"));
  // Counted once: nobody knows how it spreads.
  assert.equal(judged(old, reportWith({ ...usual, "transfer()": 0.3 }), "system calls"), all("same"));
});

test("sluice bench --from --compare --html: exit code 1 and a list for what became worse, 0 for the same", async () => {
  const folder = tempFolder();
  const file = (name: string) => join(folder, name);
  writeFileSync(file("old.json"), JSON.stringify(reportWith(usual)));
  writeFileSync(file("new.json"), JSON.stringify(reportWith({ ...usual, "transfer()": 0.3 })));
  const worse = await cli([
    "bench",
    "--from",
    file("new.json"),
    "--compare",
    file("old.json"),
    "--html",
    file("a.html"),
  ]);
  assert.is(worse.code, 1, worse.stderr);
  assert.match(worse.stdout.toString(), /transfer\(\), 1 GiB, warm: CPU, all threads: 0\.2 → 0\.3 s\/GB, \+50 % worse/);
  assert.match(readFileSync(file("a.html"), "utf8"), "Worse beyond the noise");
  const same = await cli(["bench", "--from", file("old.json"), "--compare", file("old.json"), "--json"]);
  assert.is(same.code, 0, same.stderr);
  assert.is(parseJson(same)["schema"], "sluice-bench/1");
  const none = await cli(["bench", "--from", file("none.json")]);
  assert.is(none.code, 1);
  assert.match(none.stderr, /^sluice: [^\n]*none\.json[^\n]*\n$/);
  const unknown = await cli(["bench", "nonsense"]);
  assert.match(unknown.stderr, /there is no suite nonsense: there are file-to-socket, /);
  const { stdout } = await cli(["bench", "--list"]);
  for (const suite of ["file-to-socket", "copy", "http", "runtimes", "articles"])
    assert.match(stdout.toString(), suite);
});

interface Shown {
  readonly width: number;
  readonly paper: string;
  /** Sizes of the drawings that are shown. */
  readonly plots: readonly (readonly [number, number])[];
  readonly labels: number;
}

/** Put into a frame, which may be narrower than a browser's window; the frame is looked into from outside. */
const frame = (page: string, width: number) => `<!doctype html><meta charset="utf-8"><body style="margin:0">
<iframe id="frame" width="${width}" height="800" style="border:0" srcdoc="${page.replaceAll("&", "&amp;").replaceAll('"', "&quot;")}"></iframe>
<pre id="shown"></pre>
<script>
document.getElementById("frame").addEventListener("load", ({ target }) => {
  const { document: inside } = target.contentWindow;
  const plots = [...inside.querySelectorAll("svg")].map((svg) => svg.getBoundingClientRect()).filter(({ width }) => width > 0);
  document.getElementById("shown").textContent = JSON.stringify({
    width: inside.documentElement.scrollWidth,
    paper: target.contentWindow.getComputedStyle(inside.body).backgroundColor,
    plots: plots.map(({ width, height }) => [width, height]),
    labels: [...inside.querySelectorAll("svg text")].filter((text) => text.getBoundingClientRect().width > 0).length,
  });
});
</script>`;

const browser = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"] as const;

async function show(page: string, width: number, dark: boolean): Promise<Shown> {
  const file = join(tempFolder(), "frame.html");
  writeFileSync(file, frame(page, width));
  const scheme = `--blink-settings=preferredColorScheme=${dark ? 0 : 1}`;
  const profile = `--user-data-dir=${tempFolder()}`;
  const { output } = await runChild(
    [...browser, profile, scheme, "--virtual-time-budget=5000", "--dump-dom", `file://${file}`],
    60_000,
  );
  const shown = /<pre id="shown">(.+?)<\/pre>/.exec(output)?.[1];
  if (shown === undefined) throw new Error(`Chromium showed nothing: ${output.slice(-500)}`);
  return JSON.parse(shown) as Shown;
}

await withProgram(test, "chromium", "Chromium shows it on a phone and on a desk, in light and in dark", async () => {
  const page = renderPage(reportWith(usual), compareReports(reportWith(usual), reportWith(usual)));
  const [phone, desk] = [await show(page, 360, true), await show(page, 1200, false)];
  for (const [shown, width] of [
    [phone, 360],
    [desk, 1200],
  ] as const) {
    assert.is(shown.width, width, "nothing sticks out");
    // Of the two drawings of each plot, one.
    assert.is(shown.plots.length, 5);
    for (const [w, h] of shown.plots) assert.ok(w > 200 && w <= width && h > 60, `${w} × ${h}`);
    assert.ok(shown.labels > 5 * 4, `${shown.labels} labels`);
  }
  assert.is(phone.paper, "rgb(21, 22, 24)");
  assert.is(desk.paper, "rgb(251, 250, 247)");
  const picture = join(tempFolder(), "page.png");
  const html = join(tempFolder(), "page.html");
  writeFileSync(html, page);
  await runChild(
    [
      ...browser,
      `--user-data-dir=${tempFolder()}`,
      "--window-size=1200,900",
      `--screenshot=${picture}`,
      `file://${html}`,
    ],
    60_000,
  );
  const png = readFileSync(picture);
  assert.is(png.toString("latin1", 1, 4), "PNG");
  // An empty page of this size takes 5 KB.
  assert.ok(png.length > 20_000, `${png.length} bytes`);
});

test.run();
