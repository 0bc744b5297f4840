/** CASES.md E 71: several isolates at once. */
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { transfer } from "sluice";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { arrivals } from "../contract/support/connection.ts";
import { assertBytes, dataFile, MiB } from "../contract/support/files.ts";
import { sha256 } from "../support/data.ts";
import { takeFdCensus } from "../support/fds.ts";
import { tempFolder } from "../support/temp.ts";
import type { Work } from "./support/worker.ts";

const test = suite("workers");

const script = fileURLToPath(new URL("support/worker.js", import.meta.url));
const { path, content } = dataFile(tempFolder(), 24 * MiB);

function start(work: Work): Worker {
  return new Worker(script, { workerData: { path, work } });
}

test("transfer() works in several worker threads and the main one at once (71)", async () => {
  const workers = Array.from({ length: 6 }, () => start("send"));
  const messages = workers.map((worker) => once(worker, "message"));
  const exits = workers.map((worker) => once(worker, "exit"));
  const { received } = await arrivals((socket) => transfer(path, socket));
  assertBytes(received, content);
  for (const [hash] of await Promise.all(messages)) assert.is(hash, sha256(content));
  for (const [code] of await Promise.all(exits)) assert.is(code, 0, "an idle library does not keep a worker");
});

test("Worker.terminate() in the middle of transfers leaks nothing and harms no other isolate (71)", async () => {
  const round = async () => {
    const workers = Array.from({ length: 4 }, () => start("stall"));
    await Promise.all(workers.map((worker) => once(worker, "message")));
    await Promise.all(workers.map((worker) => worker.terminate()));
  };
  await round();
  const { received } = await arrivals((socket) => transfer(path, socket));
  assertBytes(received, content);
  const census = await takeFdCensus();
  for (let i = 0; i < 5; i++) await round();
  await census.assertUnchanged();
  const again = await arrivals((socket) => transfer(path, socket));
  assertBytes(again.received, content);
});

// Not while koffi loads, with a Worker's first call: that aborts the process (docs/runtimes.md).
test("Worker.terminate() at any moment of its start and of its transfers does no harm (71)", async () => {
  for (let i = 0; i < 12; i++) {
    const works = i % 2 === 0;
    const worker = start(works ? "repeat" : "wait");
    if (works) await once(worker, "message");
    await sleep(i * 15);
    await worker.terminate();
  }
  const { received } = await arrivals((socket) => transfer(path, socket));
  assertBytes(received, content);
});

test.run();
