/** `sluice serve` from its first line to its last. */
import cluster from "node:cluster";
import { once } from "node:events";
import { opendir, realpath } from "node:fs/promises";
import process from "node:process";
import type { Destination } from "../arguments.ts";
import { describeFailure, exitCodes } from "../exit.ts";
import { listenForInterrupt } from "../interrupt.ts";
import { tell } from "../screen.ts";
import { siteUrls } from "./addresses.ts";
import { serveMetrics } from "./metrics-server.ts";
import type { ServerOptions } from "./server.ts";
import { serveByWorkers, serveHere } from "./service.ts";
import { runWorker } from "./worker.ts";

export interface RunOptions extends Omit<ServerOptions, "root" | "reusePort" | "metrics"> {
  readonly folder: string;
  /** Undefined: this process serves. */
  readonly workers: number | undefined;
  readonly metricsAddress: Destination | undefined;
  readonly quiet: boolean;
}

/** Serves until a signal arrives. Sets the exit code; never throws. */
export async function runServe(options: RunOptions): Promise<void> {
  if (cluster.isWorker) return runWorker();
  try {
    await serveUntilInterrupted(options);
  } catch (error) {
    tell(`sluice: ${describeFailure(`serve ${options.folder}`, error).message}`);
    process.exitCode = exitCodes.failed;
  }
}

async function serveUntilInterrupted(options: RunOptions): Promise<void> {
  const { folder, workers, metricsAddress, quiet, ...rest } = options;
  // The first signal is heard whenever it comes; a second one ends the process at once.
  const { signal, stop } = listenForInterrupt();
  const interrupted = once(signal, "abort");
  const root = await openFolder(folder);
  const serverOptions = { ...rest, root, reusePort: false, metrics: metricsAddress !== undefined };
  const service = await (workers === undefined ? serveHere(serverOptions) : serveByWorkers(serverOptions, workers));
  try {
    const metrics = metricsAddress && (await serveMetrics(metricsAddress, () => service.snapshots()));
    if (!quiet || options.port === 0) tell(`Serving ${root} on ${siteUrls(options.host, service.port).join(" and ")}`);
    if (metrics !== undefined && (!quiet || metricsAddress?.port === 0)) tell(`Metrics on ${metrics.url}`);
    await interrupted;
    if (!quiet) tell("Finishing the answers in flight");
    await service.stop();
    metrics?.close();
  } catch (error) {
    await service.stop();
    throw error;
  } finally {
    stop();
  }
}

/** The real path of a folder that can be read. Rejects with the system's error where there is none. */
async function openFolder(path: string): Promise<string> {
  const root = await realpath(path);
  const folder = await opendir(root);
  await folder.close();
  return root;
}
