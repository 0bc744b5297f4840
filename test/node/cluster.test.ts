/** node:cluster: connections that another process accepted, and the workers' own. */
import cluster, { type Worker } from "node:cluster";
import { once } from "node:events";
import { connect, type AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { dataFile, MiB } from "../contract/support/files.ts";
import { type Digest, digest, sha256 } from "../support/data.ts";
import { tempFolder } from "../support/temp.ts";

const test = suite("cluster");

const { path, content } = dataFile(tempFolder(), 12 * MiB);

async function fork(schedulingPolicy: number, count: number): Promise<{ workers: Worker[]; port: number }> {
  cluster.schedulingPolicy = schedulingPolicy;
  cluster.setupPrimary({ exec: fileURLToPath(new URL("support/cluster-worker.js", import.meta.url)), args: [path] });
  const workers = Array.from({ length: count }, () => cluster.fork());
  const addresses = await Promise.all(workers.map((worker) => once(worker, "listening") as Promise<[AddressInfo]>));
  return { workers, port: addresses[0]?.[0].port ?? 0 };
}

async function receive(port: number): Promise<Digest> {
  return await digest(connect(port, "127.0.0.1"));
}

test("transfer() works in cluster workers, and their end loses nothing", async () => {
  // The policy can't be changed once a worker runs: round robin hands sockets over from the primary.
  const { workers, port } = await fork(cluster.SCHED_RR, 3);
  const received = await Promise.all(Array.from({ length: 12 }, () => receive(port)));
  for (const one of received) assert.equal(one, { bytes: content.length, sha256: sha256(content) });
  const exits = workers.map((worker) => once(worker, "exit"));
  for (const worker of workers) worker.disconnect();
  for (const [code] of await Promise.all(exits)) assert.is(code, 0);
});

test.run();
