/** The runner itself: what would pass unnoticed with uvu alone has to fail here. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runChild } from "../support/child.ts";
import { limiter } from "../support/limiter.ts";
import { type Verdict, judgeSkips, runNative, runPlain } from "../runner/verdict.ts";
import { failLine, okLine, readLines, skipLine } from "../support/protocol.ts";
import { runContract } from "../runner/contract-file.ts";
import { home } from "../support/runtimes.ts";
import { tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

const test = suite("runner");

const timeoutMs = 30_000;

function script(text: string): string {
  const path = join(tempFolder(), "fixture.mjs");
  writeFileSync(path, text);
  return path;
}

const counts = ({ passed, failed, skips }: Verdict) => [passed, failed, skips.length];

const uvu = `import { suite } from "${import.meta.resolve("uvu")}";\nconst test = suite("fixture");\n`;

/** A file, what it counts as (passed, failed, skipped), and what the failure says. */
const plain: readonly (readonly [what: string, text: string, counted: readonly number[], why?: RegExp])[] = [
  ["two tests that pass", 'test("a", () => {}); test("b", () => {}); test.run();', [2, 0, 0]],
  [
    "one failing of three",
    'for (const n of [1, 2, 3]) test("t" + n, () => { if (n === 2) throw new Error("x"); }); test.run();',
    [2, 1, 0],
    /1 of 3/,
  ],
  [
    "a before that throws",
    'test.before(() => { throw new Error("x"); }); test("a", () => {}); test.run();',
    [0, 1, 0],
    /1 of 1/,
  ],
  ["a forgotten run()", 'test("a", () => {});', [0, 1, 0], /no summary/],
  ["no tests", "test.run();", [0, 1, 0], /no tests/],
  ["a syntax error", 'test("a", () => {', [0, 1, 0], /exit code 1/],
  ["an exit in the middle", 'test("a", () => process.exit(0)); test.run();', [0, 1, 0], /exit code 1/],
  [
    "an odd exit code after all passed",
    'process.on("exit", () => process.exit(3)); test("a", () => {}); test.run();',
    [1, 1, 0],
    /exit code 3/,
  ],
  [
    "a death by signal after all passed",
    'process.on("exit", () => process.kill(process.pid, "SIGKILL")); test("a", () => {}); test.run();',
    [1, 1, 0],
    /SIGKILL/,
  ],
  [
    "a stray only",
    'test("a", () => {}); test.only("b", () => {}); test.run();',
    [1, 1, 0],
    /1 tests skipped, 0 of them with a reason/,
  ],
  ["a skip without a reason", 'test("a", () => {}); test.skip("b"); test.run();', [1, 1, 0], /with a reason/],
  [
    "a skip with a reason",
    'console.log("skip b: no disk"); test("a", () => {}); test.skip("b"); test.run();',
    [1, 0, 1],
  ],
  [
    "a skip for what the runtime is meant to have",
    'console.log("skip b (engine): gone"); test("a", () => {}); test.skip("b"); test.run();',
    [1, 1, 0],
    /meant to have/,
  ],
];

for (const [what, text, counted, why] of plain)
  test(`runPlain() counts ${what} right`, async () => {
    const outcome = await runPlain(script(uvu + text), timeoutMs);
    assert.equal(counts(outcome), counted, outcome.failures.join("; "));
    if (why !== undefined) assert.match(outcome.failures.join("; "), why);
    if (outcome.failed === 0) assert.is(outcome.output, "");
  });

const isAlive = (pid: number) => {
  try {
    return /^\d+ \(sleep\) [^Z]/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
};

test("runPlain() kills a file that does not end, with everything it started", async () => {
  const told = join(tempFolder(), "pids");
  const text = `
    import { spawn } from "node:child_process";
    import { readFileSync, writeFileSync } from "node:fs";
    const group = spawn("sleep", ["1000"], { stdio: "inherit" });
    const own = spawn("sleep", ["1000"], { stdio: "inherit", detached: true });
    writeFileSync("${told}", group.pid + " " + own.pid);
    test("a", () => {});
    test.run();`;
  const outcome = await runPlain(script(uvu + text), 1_000);
  assert.equal(counts(outcome), [1, 1, 0]);
  assert.match(outcome.failures.join(), /killed: still running .* it did nothing/);
  for (const pid of readFileSync(told, "utf8").split(" "))
    await waitFor(`${pid} to be gone`, () => !isAlive(Number(pid)));
});

/** Programs that take longer than their limit of a second, or do not end: why they are killed, if they are. */
const endurances: readonly (readonly [what: string, text: string, why?: RegExp])[] = [
  ["computes for twice the limit", "for (const end = Date.now() + 2_000; Date.now() < end; );"],
  ["writes now and then", "for (let i = 0; i < 6; i++) { console.log(i); await sleep(500); }"],
  [
    "starts others that compute, in groups of their own",
    `const busy = "for (const end = Date.now() + 700; Date.now() < end; );";
     for (let i = 0; i < 3; i++) await once(spawn(process.execPath, ["-e", busy], { detached: true }), "close");`,
  ],
  ["waits", "setInterval(() => {}, 5);", /did nothing/],
  // Which of the two comes first is the machine's to say.
  ["turns for ever", "for (;;);", /of CPU time without a word|10 times its limit/],
  ["speaks for ever", "setInterval(() => console.log(1), 100);", /10 times its limit/],
];

for (const [what, text, why] of endurances)
  test(`runChild() ${why === undefined ? "lets a child live that" : "kills a child that"} ${what}`, async () => {
    const imports = `
      import { once } from "node:events";
      import { spawn } from "node:child_process";
      import { setTimeout as sleep } from "node:timers/promises";`;
    const { code, signal, hung = "" } = await runChild([process.execPath, script(imports + text)], 1_000);
    assert.equal([code, signal], why === undefined ? [0, undefined] : [undefined, "SIGKILL"], hung);
    assert.match(hung, why ?? /^$/);
  });

const contract = `import { test, assert } from "${new URL("../support/contract.js", import.meta.url).href}";\n`;
const bare = { name: "bare", command: home.command, has: [] };
const contractOutcome = (text: string, wanted: (name: string) => boolean = () => true) =>
  runContract(script(contract + text), bare, wanted, limiter(2));

const behaviours: readonly (readonly [what: string, body: string, counted: readonly number[], why?: RegExp])[] = [
  ["passes", "assert.ok(true)", [1, 0, 0]],
  ["fails", "assert.is(1, 2)", [0, 1, 0], /^t: .*strictly equal/],
  ["rejects with no error", "throw undefined", [0, 1, 0]],
  ["never settles", "await new Promise(() => {})", [0, 1, 0], /exit code 1/],
  ["keeps the process alive", "setInterval(() => {}, 1000)", [0, 1, 0], /ok, then killed/],
  ["blocks the thread", "for (;;);", [0, 1, 0], /killed/],
  ["dies", 'process.kill(process.pid, "SIGSEGV")', [0, 1, 0], /SIGSEGV/],
  ["exits", "process.exit(0)", [0, 1, 0]],
  ["throws after it has passed", 'setTimeout(() => { throw new Error("late"); })', [0, 1, 0], /exit code/],
];

for (const [what, body, counted, why] of behaviours)
  test(`runContract() counts a test that ${what} right`, async () => {
    const outcome = await contractOutcome(`test("t", { timeoutMs: 2000 }, async () => { ${body} });`);
    assert.equal(counts(outcome), counted, outcome.failures.join("; "));
    if (why !== undefined) assert.match(outcome.failures.join("; "), why);
  });

test("runContract() runs tests together, and those that ask for it alone", async () => {
  const outcome = await contractOutcome(`
    let runs = 0;
    for (const name of ["a", "b", "c: d (e)"]) test(name, {}, async () => assert.ok(++runs <= 3));
    test("last of the three", {}, () => assert.is(runs, 3));
    test("alone", { alone: true }, () => assert.is(++runs, 1));`);
  assert.equal(counts(outcome), [5, 0, 0], outcome.output);
});

test("runContract() gives those behind a test that fails a process without what it left", async () => {
  const outcome = await contractOutcome(`
    let dirty = false;
    test("a", {}, () => {});
    test("b", {}, () => { dirty = true; assert.unreachable("x"); });
    for (const name of ["c", "d"]) test(name, {}, () => assert.not(dirty));`);
  assert.equal(counts(outcome), [3, 1, 0], outcome.output);
  assert.match(outcome.failures.join(), /^b: .*x/);
});

for (const [what, body, why] of [
  ["throws when another one runs", 'setTimeout(() => { throw new Error("late"); }, 50)', /^b: ok, then exit code/],
  ["keeps the process alive", "setInterval(() => {}, 1000)", /^b: ok, then killed/],
  ["dies", 'process.kill(process.pid, "SIGSEGV")', /^b: died of SIGSEGV/],
  ["never ends", "await new Promise((resolve) => setTimeout(resolve, 100_000))", /^b: killed/],
] as const)
  test(`runContract() finds the one among many that ${what}`, async () => {
    const wait = "await new Promise((resolve) => setTimeout(resolve, 100))";
    const outcome = await contractOutcome(`
      for (const name of ["a", "c"]) test(name, { timeoutMs: 1500 }, async () => { ${wait}; });
      test("b", { timeoutMs: 1500 }, async () => { ${body}; });
      test("d", { timeoutMs: 1500 }, async () => { ${wait}; });`);
    assert.equal(counts(outcome), [3, 1, 0], outcome.failures.join("; "));
    assert.match(outcome.failures.join(), why);
  });

test("runContract() fails tests that pass one by one but not together", async () => {
  const outcome = await contractOutcome(`
    let runs = 0;
    for (const name of ["a", "b"]) test(name, {}, () => { if (++runs === 2) process.exit(0); });`);
  assert.equal(counts(outcome), [2, 1, 0]);
  assert.match(outcome.failures.join(), /each passes alone, but together: it said nothing|together: exit code/);
});

test("runContract() runs the tests that are asked for alone", async () => {
  const text = 'test("a", {}, () => {}); test("b", {}, () => assert.unreachable());';
  assert.equal(counts(await contractOutcome(text, (name) => name === "a")), [1, 0, 0]);
});

test("runContract() rejects when the list of tests can't be read", async () => {
  try {
    await contractOutcome('console.log("noise"); test("a", {}, () => {});');
  } catch (error) {
    return assert.instance(error, SyntaxError);
  }
  assert.unreachable();
});

test("runContract() fails a file without tests, with two of one name, or with one registered late", async () => {
  for (const [text, why] of [
    ["", /no tests/],
    ['for (const _ of [1, 2]) test("a", {}, () => {});', /exit code/],
    [
      'test("a", {}, () => {}); await new Promise((later) => setTimeout(later, 50)); test("b", {}, () => {});',
      /exit code/,
    ],
  ] as const) {
    const outcome = await contractOutcome(text);
    assert.equal(counts(outcome), [0, 1, 0], text);
    assert.match(outcome.failures.join(), why);
  }
});

const native: readonly (readonly [what: string, text: string, counted: readonly number[], why?: RegExp])[] = [
  ["all three kinds", "ok a\nnot ok b: why\nskip c: reason\n1 passed, 1 failed, 1 skipped", [1, 1, 1], /b: why/],
  ["sums without skips", "ok a\nok b\n2 passed, 0 failed", [2, 0, 0]],
  ["sums that are wrong", "ok a\n2 passed, 0 failed", [1, 1, 0], /last line/],
  ["no sums", "ok a", [1, 1, 0], /last line/],
  ["no tests", "0 passed, 0 failed", [0, 1, 0], /no tests/],
];

for (const [what, text, counted, why] of native)
  test(`runNative() counts ${what} right`, async () => {
    const outcome = await runNative(script(`console.log(${JSON.stringify(text)});`), timeoutMs);
    assert.equal(counts(outcome), counted, outcome.failures.join("; "));
    if (why !== undefined) assert.match(outcome.failures.join("; "), why);
  });

test("runNative() fails an odd exit after all passed", async () => {
  const outcome = await runNative(script('console.log("ok a\\n1 passed, 0 failed"); process.exit(4);'), timeoutMs);
  assert.equal([counts(outcome), outcome.failures], [[1, 1, 0], ["exit code 4"]]);
});

test("judgeSkips() lets a skip pass unless the runtime is meant to have what was missing", () => {
  const lines = readLines(`skip a (root): not root\nskip b (engine): no library\nskip c: no reason needed`);
  const { failures, skips } = judgeSkips(lines, { ...bare, has: ["engine"] });
  assert.equal(
    skips.map(({ name }) => name),
    ["a", "c"],
  );
  assert.equal(failures, ['b: bare is meant to have "engine", but: no library']);
});

test("readLines() reads what the line writers write", () => {
  const text = [
    okLine("fn() does x"),
    failLine("b (c)", "two\n  lines"),
    skipLine("d", { need: "root", reason: "no" }),
  ].join("\n");
  assert.equal(readLines(`noise\n${text}\n  ok indented\n`), [
    { status: "ok", name: "fn() does x", why: "" },
    { status: "not ok", name: "b (c)", why: "two lines" },
    { status: "skip", name: "d", need: "root", why: "no" },
  ]);
});

test("limiter() runs no more than its width at once, in order", async () => {
  const limit = limiter(2);
  const order: number[] = [];
  let running = 0;
  let most = 0;
  const work = (index: number) => async () => {
    order.push(index);
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, 1));
    running--;
    if (index === 3) throw new Error("three");
    return index;
  };
  const settled = await Promise.allSettled([0, 1, 2, 3, 4, 5].map((index) => limit(work(index))));
  assert.is(most, 2);
  assert.equal(order, [0, 1, 2, 3, 4, 5]);
  assert.equal(
    settled.map(({ status }) => status === "fulfilled"),
    [true, true, true, false, true, true],
  );
});

test.run();
