/** A Worker that maps a file many times and stays. */
import { parentPort, workerData } from "node:worker_threads";
import { map } from "sluice";

const { path } = workerData as { readonly path: string };
const mapped = Array.from({ length: 20 }, () => map(path));
parentPort?.postMessage(mapped.reduce((sum, { bytes }) => sum + (bytes[0] ?? 0), 0));
setInterval(() => mapped.length, 1000);
