/** What measures, at work: a small contest of real servers, and the articles' experiments on this kernel. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import process from "node:process";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { kernelClaims } from "#bench/articles/kernel.js";
import { offloadClaims } from "#bench/articles/offloads.js";
import { truncationClaims } from "#bench/articles/truncation.js";
import { contestOf } from "#bench/suites/cost-curve.js";
import type { Claim } from "#bench/support/rows.js";
import { scratchFile } from "#bench/support/scratch.js";
import { cSender, nodeSender } from "#bench/support/senders.js";
import { counter } from "#bench/support/syscalls.js";
import { withProgram } from "../http/support/programs.ts";

const bytes = 256 * 1024;
const requests = 40;
const setting = { rounds: 3, progress: () => {} };

await withProgram(test, "cc", "a contest counts every sender's bytes, calls, switches and memory", async () => {
  const file = await scratchFile(bytes);
  const before = createHash("sha256").update(readFileSync(file)).digest("hex");
  const { contest, samples } = await contestOf(
    "A contest",
    [nodeSender("transfer()", "sluice", "auto"), nodeSender("streams", "rival", "streams"), cSender("sendfile", "C")],
    { file, points: [{ bytes, cache: "warm" }], how: { requests: () => requests } },
    setting,
  );
  assert.equal(
    contest.entries.map(({ contender }) => contender),
    ["transfer()", "streams", "C"],
  );
  const counts = typeof (await counter()) !== "string";
  for (const { contender, role, metrics, ratios } of contest.entries) {
    assert.is(samples(contender, { bytes, cache: "warm" }).length, setting.rounds);
    for (const sample of samples(contender, { bytes, cache: "warm" })) assert.is(sample.bytes, requests * bytes);
    for (const metric of ["throughput", "cpu", "rss", "latency"] as const)
      assert.ok((metrics[metric]?.median ?? 0) > 0, `${contender}: ${metric}`);
    // Each body is asked for, sent, and perhaps waited for.
    if (counts) assert.ok((metrics.syscallsPerRequest?.median ?? 0) >= 2, contender);
    assert.is(metrics.delay !== undefined, role !== "limit", `only runtimes have an event loop: ${contender}`);
    assert.equal(
      ratios.filter(({ metric }) => metric === "cpu").map(({ against }) => against),
      role === "sluice" ? ["streams", "C"] : [],
    );
  }
  assert.is(createHash("sha256").update(readFileSync(file)).digest("hex"), before);
});

const verdictOf = (claims: readonly Claim[], part: string): string =>
  claims.find(({ claim }) => claim.includes(part))?.verdict ?? `no claim of ${part}`;

await withProgram(test, "cc", "the articles' experiments come to the verdicts that this kernel gives", async () => {
  const claims = [...(await truncationClaims()), ...(await kernelClaims()), ...(await offloadClaims())];
  for (const { claim, measured } of claims) {
    assert.ok(measured.length > 0, claim);
    assert.not.match(measured, /undefined|NaN/, claim);
  }
  assert.is(verdictOf(claims, "ended by SIGBUS"), "out of date");
  assert.is(verdictOf(claims, "truncated under sendfile"), "holds");
  assert.is(verdictOf(claims, "has to be a socket"), "out of date");
  assert.is(verdictOf(claims, "of which one has to be a pipe"), "holds");
  assert.is(verdictOf(claims, "asynchronous"), "wrong");
  assert.is(verdictOf(claims, "Copy-on-write"), "holds");
  // Network namespaces take root, iproute2 and ethtool, and a kernel with veth.
  for (const part of ["can scatter/gather", "Without scatter/gather"])
    assert.match(verdictOf(claims, part), /^(holds|not testable here)$/);
  if (process.getuid?.() !== 0) assert.is(verdictOf(claims, "can scatter/gather"), "not testable here");
});

test.run();
