/** What measures, at work: a small contest of real servers, and the articles' experiments on this kernel. */
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { buffer } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { kernelClaims, truncationClaims } from "#bench/articles/calls.js";
import { offloadClaims } from "#bench/articles/edits.js";
import { copiers, cp } from "#bench/suites/copy.js";
import { contestOf } from "#bench/suites/cost-curve.js";
import { assemble, contest as contend, type Point } from "#bench/support/contest.js";
import { scratchFile } from "#bench/support/files.js";
import { startTreeMeter } from "#bench/support/meter.js";
import { helper } from "#bench/support/programs.js";
import type { Claim } from "#bench/report/schema.js";
import { cSender, nodeSender } from "#bench/support/senders.js";
import { startProgram } from "#bench/support/servers.js";
import { counter } from "#bench/support/syscalls.js";
import { withProgram } from "../http/support/programs.ts";
import { tempFolder } from "../support/temp.ts";

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

await withProgram(test, "cc", "copies are measured in Node, of cp and in C alike", async () => {
  const folder = tempFolder();
  const [from, to] = [join(folder, "from"), join(folder, "to")];
  const point: Point = { bytes: 2 ** 24, cache: "warm" };
  const content = randomBytes(point.bytes);
  writeFileSync(from, content);
  let copies = 0;
  const place = {
    from: () => from,
    to,
    async finish() {
      assert.ok(readFileSync(to).equals(content));
      rmSync(to);
      copies++;
    },
  };
  const { present } = await assemble(copiers.map((one) => ({ ...one, setUp: () => one.setUp(place) })));
  try {
    const contenders = present.map(({ made }) => made.contender);
    const { contest: found } = await contend({ title: "Copies", contenders, points: [point], ...setting });
    const counts = typeof (await counter()) !== "string";
    for (const { contender, metrics, role } of found.entries) {
      // Of cp the start is deducted, which may take longer than this copy.
      const least = contender === cp ? 0 : Number.MIN_VALUE;
      for (const metric of ["cpu", "mainCpu", "latency"] as const)
        assert.ok((metrics[metric]?.median ?? -1) >= least, `${contender}: ${metric}`);
      for (const metric of ["voluntary", "involuntary", "rss"] as const)
        assert.ok((metrics[metric]?.median ?? -1) >= 0, `${contender}: ${metric}`);
      // Both files are opened.
      if (counts) assert.ok((metrics.syscallsPerRequest?.median ?? 0) >= 2, contender);
      if (role === "limit") assert.is(metrics.delay, undefined);
    }
    assert.ok(copies >= found.entries.length * (1 + setting.rounds), `${copies} copies`);
  } finally {
    await Promise.all(present.map(({ made }) => made.stop()));
  }
});

await withProgram(test, "cc", "the proxy in C passes on every byte and each end by itself", async () => {
  const upstream = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
  await once(upstream.listen(0, "127.0.0.1"), "listening");
  const relay = await startProgram({
    command: [await helper("relay"), String((upstream.address() as AddressInfo).port)],
  });
  try {
    const sent = [randomBytes(3_000_001), randomBytes(1), Buffer.alloc(0)];
    const received = await Promise.all(
      sent.map((content) => {
        const client = connect({ port: relay.port, host: "127.0.0.1", allowHalfOpen: true });
        client.end(content);
        return buffer(client);
      }),
    );
    assert.equal(
      received.map((content, i) => content.equals(sent[i] ?? Buffer.alloc(0))),
      [true, true, true],
    );
  } finally {
    await relay.stop();
    upstream.close();
  }
});

test("what a thread had taken that ends meanwhile is not deducted from what the others take", async () => {
  const busy = "const end = Date.now() + 300; while (Date.now() < end); setTimeout(() => {}, 100)";
  const worker = new Worker(busy, { eval: true });
  await sleep(350);
  const stop = startTreeMeter([process.pid]);
  await once(worker, "exit");
  const { cpuNs, mainThreadNs, rssBytes } = stop();
  assert.ok(cpuNs >= mainThreadNs && mainThreadNs > 0, `${cpuNs}, ${mainThreadNs}`);
  assert.ok(rssBytes > 0);
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
