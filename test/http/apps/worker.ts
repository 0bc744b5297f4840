/** The app of plain.ts in a worker thread: this thread only carries the messages between it and the test. */
import process from "node:process";
import { Worker } from "node:worker_threads";

const worker = new Worker(new URL("plain.js", import.meta.url), { argv: process.argv.slice(2) });
worker.on("message", (message: unknown) => process.send?.(message));
worker.on("exit", () => process.connected && process.disconnect());
process.on("disconnect", () => void worker.terminate());
process.on("message", (message) => worker.postMessage(message));
