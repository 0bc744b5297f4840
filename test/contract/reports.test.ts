/** What reports, plans, capabilities and progress say, held against what happened. */
import * as fs from "node:fs";
import { join } from "node:path";
import { capabilities, explain, transfer } from "sluice";
import { assert, test } from "../support/contract.ts";
import { collect } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { arrivals, connect, readExactly } from "./support/connection.ts";
import { destinations } from "./support/ends.ts";
import { dataFile, KiB, MiB } from "./support/files.ts";
import { failure } from "./support/outcome.ts";

const strategies = [
  "sendfile",
  "splice",
  "copyFileRange",
  "reflink",
  "mapped",
  "buffered",
  "direct",
  "portable",
  "vmsplice",
  "sendZeroCopy",
  "tee",
  "sharedRing",
];

for (const [to, best] of Object.entries({ tcp: "sendfile", unix: "sendfile", pipe: "splice", fd: "copyFileRange" }) as [
  keyof typeof destinations,
  string,
][]) {
  test(`transfer() of 8 MiB to ${to} is by ${best}, and its report adds up`, { needs: ["engine"] }, async () => {
    const folder = tempFolder();
    const { path } = dataFile(folder, 8 * MiB);
    using destination = await destinations[to](folder);
    const report = await transfer(path, destination.to);
    await destination.received();
    assert.is(report.strategy, best);
    assert.is(
      report.attempts.reduce((sum, { bytes }) => sum + bytes, 0),
      report.bytes,
    );
    assert.ok(report.attempts.every(({ reason }) => reason.length > 0));
    assert.ok(report.syscalls > 0);
    assert.ok(report.durationNs > 0);
    assert.ok(report.cpuNs >= 0 && report.waits >= 0);
    assert.is(report.copied, "unknown", "whether the last copy was spared is not observed");
  });
}

test("transfer() by the portable path says that it copied", {}, async () => {
  const { path } = dataFile(tempFolder(), MiB);
  const { result } = await arrivals((socket) => transfer(path, socket, { strategy: "portable" }));
  assert.is(result.strategy, "portable");
  assert.is(result.copied, "yes");
  assert.is(result.syscalls, 0);
});

test("transfer() of a small resident file is read and written, and says so", { needs: ["engine"] }, async () => {
  const { path } = dataFile(tempFolder(), 4 * KiB);
  const { result } = await arrivals((socket) => transfer(path, socket));
  assert.is(result.strategy, "buffered");
  assert.is(result.copied, "yes");
  // On the calling thread: a worker's time would be counted.
  assert.is(result.cpuNs, 0);
});

test("transfer() that falls back tells both attempts and why", { needs: ["engine", "tmpfs"] }, async () => {
  const { path } = dataFile(tempFolder(), 4 * MiB);
  const into = join(tempFolder("/dev/shm"), "target");
  const strategy = ["copyFileRange", "buffered"] as const;
  const { attempts } = await transfer(path, into, { strategy });
  assert.equal(
    attempts.map((attempt) => attempt.strategy),
    ["copyFileRange", "buffered"],
  );
  assert.is(attempts[0]?.bytes, 0);
  assert.is(attempts[0]?.code, "EXDEV");
  const known = await explain(path, into, { strategy });
  assert.not.ok(
    known.candidates.some((candidate) => candidate.strategy === "copyFileRange"),
    "it is remembered",
  );
});

test(
  "transfer() that fails says how far it came, by what, and where in the source it was",
  { needs: ["engine"] },
  async () => {
    const { path } = dataFile(tempFolder(), 64 * MiB);
    using link = await connect();
    link.socket.on("error", () => undefined);
    const sending = failure(() => transfer(path, link.socket, { offset: 1000 }));
    await readExactly(link.peer, 1000);
    link.peer.resetAndDestroy();
    const error = await sending;
    assert.is(error.name, "TransferError");
    assert.is(error.strategy, "sendfile");
    // The runtime reads the socket too, and may hear of the reset first.
    assert.ok(["sendfile", "read"].includes(error.syscall ?? ""), error.syscall);
    assert.is(error.sourceOffset, 1000 + error.bytesTransferred);
    assert.ok((error.errno ?? 0) > 0);
    assert.is(error.attempts.at(-1)?.bytes, error.bytesTransferred);
    assert.match(error.message, error.code);
  },
);

test("onProgress tells growing numbers and at the end the whole", {}, async () => {
  const { path } = dataFile(tempFolder(), 40 * MiB);
  using link = await connect();
  const seen: number[] = [];
  const sending = transfer(path, link.socket, { onProgress: (bytes) => seen.push(bytes) });
  await readExactly(link.peer, 1);
  await waitFor("a call while the transfer waits", () => seen.length > 0);
  const rest = collect(link.peer);
  const { bytes } = await sending;
  link.socket.end();
  await rest;
  assert.is(seen.at(-1), bytes);
  assert.equal(
    seen,
    [...seen].sort((a, b) => a - b),
  );
});

test("onProgress is called once for a transfer that is over at once", {}, async () => {
  const { path } = dataFile(tempFolder(), 1000);
  const seen: number[] = [];
  await arrivals((socket) => transfer(path, socket, { onProgress: (bytes) => seen.push(bytes) }));
  assert.equal(seen, [1000]);
});

test("explain() names what transfer() then does, and changes nothing", {}, async () => {
  const folder = tempFolder();
  const { path } = dataFile(folder, MiB);
  const into = join(folder, "target");
  const plan = await explain(path, into);
  assert.not.ok(fs.existsSync(into));
  const names = [...plan.candidates, ...plan.rejected].map(({ strategy }) => strategy);
  assert.equal(new Set(names).size, names.length, "every mechanism once");
  assert.ok([...plan.candidates, ...plan.rejected].every(({ reason }) => reason.length > 0));
  const report = await transfer(path, into);
  assert.ok(plan.candidates.some(({ strategy }) => strategy === report.strategy));
});

test("explain() of a target that exists does not empty it", {}, async () => {
  const folder = tempFolder();
  const { path } = dataFile(folder, MiB);
  const into = join(folder, "target");
  fs.writeFileSync(into, "old");
  await explain(path, into);
  assert.is(fs.readFileSync(into, "utf8"), "old");
});

test("capabilities() answers for the engine and every strategy, each with a reason", {}, () => {
  const report = capabilities();
  assert.type(report.engine.available, "boolean");
  assert.ok(report.engine.reason.length > 0);
  assert.equal(Object.keys(report.strategies).sort(), [...strategies].sort());
  for (const { ability, reason } of Object.values(report.strategies)) {
    assert.ok(["yes", "no", "unknown"].includes(ability));
    assert.ok(reason.length > 0);
  }
});
