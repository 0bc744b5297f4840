/** A Worker that maps a file, truncates it, and tells what it reads from there on. */
import { truncateSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { map } from "sluice";
import { trap } from "./trap.js";

const { path } = workerData as { readonly path: string };
const rounds = 50;
const size = 3 * 65_536;
const losses: (number | undefined)[] = [];
for (let i = 0; i < rounds; i++) {
  truncateSync(path, size);
  using mapped = map(path, { mode: i % 2 === 0 ? "read" : "shared" });
  mapped.bytes[0] = 1;
  truncateSync(path, 65_536);
  if (mapped.bytes[100_000] !== 0) throw new Error("There is something in a hole");
  losses.push(mapped.truncated);
}
parentPort?.postMessage({ losses, trapped: String(await trap()) });
