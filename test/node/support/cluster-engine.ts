/** A process of node:cluster with two workers, and a Worker of node:worker_threads. */
import cluster from "node:cluster";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";

const turn = () => new Promise((resolve) => setImmediate(resolve));

if (cluster.isPrimary) {
  const forked = [cluster.fork(), cluster.fork()];
  const thread = new Worker(fileURLToPath(new URL("engine.js", import.meta.url)));
  await Promise.all([...forked, thread].map((each) => once(each, "exit")));
} else {
  // What the preload does in an immediate has begun before these, and takes an import.
  for (let turns = 0; turns < 20; turns++) await turn();
  await import("node:cluster");
  cluster.worker?.disconnect();
}
