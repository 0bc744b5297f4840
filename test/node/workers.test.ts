/** CASES.md E 71: several isolates at once. */
import { once } from "node:events";
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

const test = suite("workers");

const script = fileURLToPath(new URL("support/worker.js", import.meta.url));
const { path, content } = dataFile(tempFolder(), 24 * MiB);

/** What a worker was told to do. */
interface Task {
  readonly path: string;
  readonly stall: boolean;
}

function start(task: Task): Worker {
  return new Worker(script, { workerData: task });
}

test("transfer() works in several worker threads and the main one at once (71)", async () => {
  const workers = Array.from({ length: 6 }, () => start({ path, stall: false }));
  const messages = workers.map((worker) => once(worker, "message"));
  const exits = workers.map((worker) => once(worker, "exit"));
  const { received } = await arrivals((socket) => transfer(path, socket));
  assertBytes(received, content);
  for (const [hash] of await Promise.all(messages)) assert.is(hash, sha256(content));
  for (const [code] of await Promise.all(exits)) assert.is(code, 0, "an idle library does not keep a worker");
});

test("Worker.terminate() in the middle of transfers leaks nothing and harms no other isolate (71)", async () => {
  const round = async () => {
    const workers = Array.from({ length: 4 }, () => start({ path, stall: true }));
    await Promise.all(workers.map((worker) => once(worker, "message")));
    await Promise.all(workers.map((worker) => worker.terminate()));
  };
  await round();
  const { received } = await arrivals((socket) => transfer(path, socket));
  assertBytes(received, content);
  const census = takeFdCensus();
  for (let i = 0; i < 5; i++) await round();
  await census.assertUnchanged();
  const again = await arrivals((socket) => transfer(path, socket));
  assertBytes(again.received, content);
});

test("Worker.terminate() at any moment does no harm (71)", async () => {
  for (let i = 0; i < 12; i++) {
    const worker = start({ path, stall: i % 2 === 0 });
    await new Promise((resolve) => setTimeout(resolve, 20 + i * 15));
    await worker.terminate();
  }
  const { received } = await arrivals((socket) => transfer(path, socket));
  assertBytes(received, content);
});

test.run();
