/** When a process is taken to hang: a table of lives, sampled each second, under a limit of ten seconds. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { beginWatch, judgeWatch, nextWatch, type Sample } from "../support/patience.ts";
import { familyOf, parseStat } from "../support/processes.ts";
import { steadily } from "../support/steady.ts";

const test = suite("patience");
const limitMs = 10_000;
const nothing: Sample = { atMs: 0, written: 0, cpuMs: 0, pids: new Set([1]) };

/** What happens in a second. */
interface Second {
  readonly elapsedMs?: number;
  readonly written?: number;
  readonly cpuMs?: number;
  readonly pid?: number;
}

/** At which second it is taken to hang, and why; undefined where it lives through all of them. */
function fate(second: (index: number) => Second): readonly [at: number, why: string] | undefined {
  let last = nothing;
  let watch = beginWatch(last);
  for (let index = 1; index <= 110; index++) {
    const { elapsedMs = 1_000, written = 0, cpuMs = 0, pid = 1 } = second(index);
    last = {
      atMs: last.atMs + elapsedMs,
      written: last.written + written,
      cpuMs: last.cpuMs + cpuMs,
      pids: new Set([1, pid]),
    };
    watch = nextWatch(watch, last);
    const why = judgeWatch(watch, limitMs);
    if (why !== undefined) return [index, why];
  }
  return undefined;
}

for (const [what, second, at, why] of [
  ["does nothing", () => ({}), 11, /did nothing for 11000 ms/],
  ["looks at something all the time, which takes a hundredth of a core", () => ({ cpuMs: 10 }), 13, /did nothing/],
  ["turns for ever, on one core", () => ({ cpuMs: 1_000 }), 31, /31000 ms of CPU time without a word/],
  ["turns for ever, on a tenth of a core", () => ({ cpuMs: 100 }), 101, /10 times its limit/],
  ["computes for ever, on a twentieth of a core", () => ({ cpuMs: 50 }), 101, /10 times its limit/],
  ["writes for ever", () => ({ written: 1 }), 101, /10 times its limit/],
  ["starts others for ever", (index: number) => ({ pid: index + 1 }), 101, /10 times its limit/],
  ["does nothing once it has written", (index: number) => ({ written: index === 5 ? 1 : 0 }), 16, /did nothing/],
  ["turns once it has written", (index: number) => ({ written: index === 5 ? 1 : 0, cpuMs: 1_000 }), 36, /CPU time/],
  ["does nothing but for one child", (index: number) => ({ pid: index < 5 ? 1 : 2 }), 12, /did nothing/],
  [
    "loses the time of a child that nobody waited for",
    (index: number) => ({ cpuMs: index === 3 ? -500 : 0 }),
    11,
    /did/,
  ],
] as const)
  test(`one that ${what} hangs`, () => {
    const [hangs, told] = fate(second) ?? [];
    assert.is(hangs, at, told);
    assert.match(told ?? "", why);
  });

test("what a watcher did not see is not held against the process", () => {
  const stood = fate((index) => ({ elapsedMs: index === 3 ? 600_000 : 1_000 }));
  assert.equal(stood, [7, "it did nothing for 11000 ms"]);
});

test("steadily() runs a body again that has failed while the machine stood still, and no other", async () => {
  let runs = 0;
  const failing = (stillMs: number, standstillMs: number) =>
    steadily(standstillMs, () => {
      runs++;
      for (const end = performance.now() + stillMs; performance.now() < end;);
      return runs < 3 ? Promise.reject(new Error(`run ${runs}`)) : Promise.resolve(runs);
    });
  assert.is(await failing(300, 200), 3);
  runs = 0;
  assert.is(await failing(300, 1e9).catch(String), "Error: run 1");
});

test("parseStat() reads past a name that looks like fields", () => {
  const times = "5 6 7 8";
  const text = `42 (a) S 9 (b)) R 7 40 40 0 -1 4194304 100 0 0 0 ${times} 20 0 1 0 12345`;
  assert.equal(parseStat(text), { pid: 42, parent: 7, group: 40, cpuMs: 260 });
});

test("familyOf() finds the group, its descendants in other groups, and orphans that were known", () => {
  const one = (pid: number, parent: number, group: number) => ({ pid, parent, group, cpuMs: 0 });
  const all = [
    one(5, 30, 5),
    one(10, 1, 10),
    one(20, 10, 10),
    one(30, 20, 30),
    one(40, 1, 40),
    one(50, 1, 50),
    one(60, 1, 10),
  ];
  const pids = familyOf(10, new Set([40]), all).map(({ pid }) => pid);
  assert.equal(pids, [5, 10, 20, 30, 40, 60]);
});

test.run();
