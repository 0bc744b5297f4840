/** The explanation agrees with the plan, and the drawing with the explanation. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { draw, type DrawingOptions } from "#core/plan/drawing.js";
import { explainPlan, type Explanation, pathOf, sampleEndpoint, sampleWords } from "#core/plan/explain.js";
import type { Endpoint } from "#core/plan/endpoint.js";
import type { Strategy } from "#core/plan/kernel.js";
import { checkOptions, type TransferOptions } from "#core/transfer/request.js";
import { select } from "#core/plan/select.js";
import { strategies, strategyNames } from "#core/plan/strategies.js";
import { unknowing } from "../support/ends.ts";

function sample(word: string): Endpoint {
  const end = sampleEndpoint(word);
  if (end === undefined) throw new Error(`no sample ${word}`);
  return end;
}

function explainWords(from: string, to: string, options: TransferOptions = {}): Explanation {
  const target = sample(to);
  const targetOffset = target.kind === "file" ? 0 : undefined;
  return explainPlan(select(sample(from), target, checkOptions({ targetOffset, ...options }), unknowing));
}

const sources = sampleWords;
const targets = sampleWords.filter((word) => sample(word).writable);

/** Every pair of words between which there can be a transfer, by every mechanism that serves it. */
const everyWay = sources.flatMap((from) =>
  targets.flatMap((to) => explainWords(from, to).candidates.map(({ strategy }) => ({ from, to, strategy }))),
);

const drawWay = (from: string, to: string, strategy: Strategy, options?: DrawingOptions) =>
  draw(pathOf(strategy, sample(from), sample(to)), options);

test("explainPlan() tells the plan's ends, range and candidates in their order", () => {
  const explanation = explainWords("file", "tcp", { offset: 10, length: 2 ** 20 });
  assert.equal(explanation.source, { name: "file", kind: "file", size: 2 ** 30 });
  assert.equal(explanation.target, { name: "tcp", kind: "socket", size: undefined });
  assert.is(explanation.offset, 10);
  assert.is(explanation.length, 2 ** 20);
  assert.equal(
    explanation.candidates.map(({ strategy }) => strategy),
    ["sendfile", "splice", "mapped", "buffered", "portable"],
  );
});

test("explainPlan() counts copies and mode switches as the literature does from file to socket", () => {
  const counts = explainWords("file", "tcp").candidates.map(({ strategy, copies, switchesPerRound, syscalls }) => [
    strategy,
    copies,
    switchesPerRound,
    syscalls.join(" "),
  ]);
  assert.equal(counts, [
    ["sendfile", "0 or 1", 2, "sendfile"],
    ["splice", "0 or 1", 4, "splice splice"],
    ["mapped", "1", 4, "mmap write"],
    ["buffered", "2", 4, "read write"],
    ["portable", "2", 4, "read write"],
  ]);
});

test("explainPlan() agrees with the strategy table on mode switches", () => {
  for (const strategy of strategyNames) {
    const pair = [
      ["file", "tcp"] as const,
      ["file", "file"] as const,
      ["memory", "pipe"] as const,
      ["memory", "tcp"] as const,
      ["file", "ring"] as const,
    ].find(
      ([from, to]) =>
        strategies[strategy].unfit(sample(from), sample(to), { targetOffset: to === "file" ? 0 : undefined }) ===
        undefined,
    );
    // What serves tee() has no pair of its own.
    if (pair === undefined) {
      assert.is(strategy, "tee");
      continue;
    }
    const [first] = explainWords(pair[0], pair[1], { strategy }).candidates;
    assert.is(first?.switchesPerRound, strategies[strategy].switches, strategy);
  }
});

test("explainPlan() needs one call where an end is a pipe itself", () => {
  const [first] = explainWords("pipe", "tcp").candidates;
  assert.equal([first?.strategy, first?.switchesPerRound, first?.syscalls], ["splice", 2, ["splice"]]);
});

test("explainPlan() never counts fewer copies than a report would admit to", () => {
  for (const from of sources)
    for (const to of targets)
      for (const { strategy, copied, copies } of explainWords(from, to).candidates)
        if (copied === "no") assert.is(copies, "0", `${strategy} from ${from} to ${to}`);
});

test("explainPlan() gives the reason for every mechanism that is not tried", () => {
  const { rejected } = explainWords("file", "tls");
  assert.equal(
    rejected.map(({ strategy }) => strategy),
    ["sendfile", "splice", "mapped", "buffered"],
  );
  for (const { reason } of rejected) assert.match(reason, /encrypts/);
});

test("drawing() draws the first candidate", () => {
  const explanation = explainWords("file", "tcp");
  assert.is(explanation.drawing(), drawWay("file", "tcp", "sendfile"));
  assert.is.not(explanation.drawing(), drawWay("file", "tcp", "splice"));
});

test("draw() shows two copies through a user buffer, four switches and DMA at both ends", () => {
  const expected = [
    "USER                   CPU copy 1     ┌─────────────┐    CPU copy 2",
    "                  ┏━━━━━━━━━━━━━━━━━━▶│ user buffer │━━━━━━━━━━━━━━━━━━┓",
    "                  ┃                   └─────────────┘                  ┃",
    "══════════════════╪═══════════ ↓1 read 2↑ ═════ ↓3 write 4↑ ═══════════╪════════",
    "KERNEL            ┃                                                    ▼",
    "           ┌──────┸─────┐                                      ┌───────────────┐",
    "           │ page cache │                                      │ socket buffer │",
    "           └────────────┘                                      └───────┬───────┘",
    "                  ▲                                                    │",
    "                  │ DMA                                                │ DMA",
    "──────────────────┼────────────────────────────────────────────────────┼────────",
    "HARDWARE          │                                                    ▼",
    "              ┌───┴──┐                                              ┌─────┐",
    "              │ disk │                                              │ NIC │",
    "              └──────┘                                              └─────┘",
    "",
    "━━▶ CPU copy   ──▶ DMA",
    "CPU copies 2 · mode switches 4 a round · DMA 2",
  ];
  assert.equal(drawWay("file", "tcp", "buffered").split("\n"), expected);
});

test("draw() shows both files on one set of blocks for a reflink", () => {
  const drawing = drawWay("file", "file", "reflink");
  assert.match(drawing, "one set of blocks on disk");
  assert.match(drawing, "CPU copies 0 · mode switches 2 in all · DMA 0");
});

test("draw() keeps to the width and leaves no trailing spaces for every pair and mechanism", () => {
  for (const { from, to, strategy } of everyWay)
    for (const width of [80, 120])
      for (const line of drawWay(from, to, strategy, { width }).split("\n")) {
        assert.ok(line.length <= width, `${strategy} from ${from} to ${to} at ${width}: "${line}"`);
        assert.is(line, line.trimEnd());
      }
});

test("draw() numbers each mode switch and each certain copy once for every pair and mechanism", () => {
  for (const { from, to, strategy } of everyWay) {
    const path = pathOf(strategy, sample(from), sample(to));
    const [picture = ""] = draw(path).split("\n\n");
    const where = `${strategy} from ${from} to ${to}\n${picture}`;
    const switches = [...picture.matchAll(/↓(\d)|(\d)↑/g)].map(([, down, up]) => Number(down ?? up));
    assert.equal(
      switches,
      Array.from({ length: 2 * path.calls.length }, (_, i) => i + 1),
      where,
    );
    const copies = [...picture.matchAll(/CPU copy (\d)/g)].map(([, number]) => Number(number));
    const certain = path.hops.filter(({ cost }) => cost === "copy").length;
    assert.equal(
      copies,
      Array.from({ length: certain }, (_, i) => i + 1),
      where,
    );
  }
});

test("draw() with ascii uses ASCII alone for every pair and mechanism", () => {
  for (const { from, to, strategy } of everyWay)
    assert.match(drawWay(from, to, strategy, { ascii: true }), /^[\n -~]*$/, `${strategy} from ${from} to ${to}`);
});

test("sampleEndpoint() knows no other words, not even those of every object", () => {
  assert.is(sampleEndpoint("floppy"), undefined);
  assert.is(sampleEndpoint("constructor"), undefined);
  assert.is(sampleEndpoint("tcp")?.kind, "socket");
});

test.run();
