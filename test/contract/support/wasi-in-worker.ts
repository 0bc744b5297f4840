/** A Worker that copies a file by both components, for they hold their thread, and tells of it. */
import { parentPort, workerData } from "node:worker_threads";
import { instantiateFallback, instantiatePlugin } from "sluice/wasi";

const { folder } = workerData as { readonly folder: string };
const options = { roots: { "/data": { path: folder, write: true } } };
using fallback = await instantiateFallback(options);
using plugin = await instantiatePlugin(options);
const [one, other] = [fallback.copyFile("/data/a", "/data/b"), plugin.copyFile("/data/a", "/data/c")];
parentPort?.postMessage([one.bytes, one.strategy, other.bytes, other.copied]);
