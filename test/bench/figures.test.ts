/** The figures of the documents: what is committed as data is what the page shows, and a report takes the place of what it measured. */
import { readdirSync, readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Figures, figuresOf, page, readFigures, renewed, writtenInto } from "#bench/report/figures.js";
import { contestSection, section } from "#bench/support/rows.js";
import { figure } from "#bench/support/stats.js";
import { suiteNames } from "#bench/main.js";
import { reportOf } from "./support/report.ts";

const committed = readFileSync(page, "utf8");

test("the tables of docs/performance.md are those of docs/figures.json", async () => {
  const figures = readFigures();
  for (const { name, measured } of figures.suites) {
    assert.ok(suiteNames.includes(name), name);
    assert.match(measured, /^Measured 20\d\d-\d\d-\d\d/, name);
  }
  const marked = [...committed.matchAll(/^<!-- figures: (.+) -->$/gm)].map(([, name]) => name);
  assert.equal(marked.sort(), figures.suites.map(({ name }) => name).sort());
  assert.is(await writtenInto(committed, figures), committed, "npm run bench -- --figures writes them");
});

test("no other document has a table of figures", () => {
  const folder = new URL("./", page);
  const others = readdirSync(folder).filter((name) => name.endsWith(".md") && !page.pathname.endsWith(`/${name}`));
  assert.ok(others.length > 10);
  for (const name of others)
    for (const line of readFileSync(new URL(name, folder), "utf8").split("\n"))
      assert.not.ok(/^\|.*\d (?:×|GB\/s|MB\/s|s\/GB)(?:\s|$)/.test(line), `${name}: ${line}`);
});

const rows = [
  { question: "CPU of a | b", unit: "×", target: 0.35, figure: figure([0.2, 0.25, 0.3]), detail: "told" },
  { question: "counted once", unit: "fds", figure: figure([3]) },
  { question: "elsewhere", unit: "ms", skipped: "this kernel can't" },
];

test("rows and tables of a report are written between the marks of its suite, and nothing else changes", async () => {
  const { contest } = contestSection({ title: "A contest", notes: [], entries: [], absent: [] });
  const report = reportOf({
    copy: [
      { title: "A contest", ...(contest && { contest }) },
      section("Rows", rows),
      { title: "A table", table: { head: ["size", "µs"], cells: [["4 KiB", "1.5"]] } },
    ],
  });
  const figures = figuresOf(report);
  assert.equal(
    figures.suites.map(({ name, sections }) => [name, ...sections.map(({ title }) => title)]),
    [["copy", "Rows", "A table"]],
  );
  const before = "# A page\n\nBefore.\n\n<!-- figures: copy -->\n\nOld.\n\n<!-- /figures -->\n\nBehind.\n";
  const after = await writtenInto(before, figures);
  assert.is(
    after,
    `# A page

Before.

<!-- figures: copy -->

Measured 1970-01-01 with Sluice 1.2.3, quick mode, 5 rounds; 2 × A processor, 8 GiB, Linux 6.1; /tmp on ext4; Node 20.0.0. ${report.noise.remark}

**Rows**

| question      | median | quartiles | target   |      | from              |
| ------------- | ------ | --------- | -------- | ---- | ----------------- |
| CPU of a \\| b | 0.25 × | 0.23–0.28 | ≤ 0.35 × | PASS | told              |
| counted once  | 3 fds  |           |          |      |                   |
| elsewhere     |        |           |          | SKIP | this kernel can't |

**A table**

| size  | µs  |
| ----- | --- |
| 4 KiB | 1.5 |

<!-- /figures -->

Behind.
`,
  );
  assert.is(await writtenInto(after, figures), after, "writing again changes nothing");
});

test("a suite that was measured anew takes the place of the old one; one without a place is refused", async () => {
  const of = (name: string, measured: string) => ({ name, measured, sections: [] });
  const old: Figures = { suites: [of("map", "old"), of("copy", "old")] };
  const now = renewed(old, { suites: [of("http", "new"), of("map", "new")] });
  assert.equal(
    now.suites.map(({ name, measured }) => `${name} ${measured}`),
    ["map new", "copy old", "http new"],
  );
  const refused = await writtenInto("# A page without marks\n", now).then(
    () => "written",
    (error: Error) => error.message,
  );
  assert.match(refused, /no one place for figures of map/);
});

test.run();
