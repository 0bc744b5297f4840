/** A service of the command line from its first line to its last. */
import cluster from "node:cluster";
import { once } from "node:events";
import process from "node:process";
import type { HostAddress } from "../address.ts";
import { describeFailure, exitCodes } from "../exit.ts";
import { listenForInterrupt } from "../interrupt.ts";
import { outliveReader, tellOnce } from "../output.ts";
import { tell } from "../screen.ts";
import { serveMetrics } from "./metrics-server.ts";
import type { Program } from "./program.ts";
import { serveByWorkers, serveHere } from "./service.ts";
import { runWorker } from "./worker.ts";

export interface ServiceOptions {
  /** Undefined: this process serves. */
  readonly workers: number | undefined;
  readonly metricsAddress: HostAddress | undefined;
  readonly quiet: boolean;
}

/** What is said to people. */
export interface Words {
  /** Where it listens; `port` is undefined for a socket in the filesystem. */
  listening(port: number | undefined): string;
  /** What is waited for at the end. */
  readonly finishing: string;
}

/**
 * Serves until a signal arrives. Sets the exit code; never throws.
 *
 * @param prepare makes the options of the program; it may reject
 */
export async function runService<O>(
  program: Program<O>,
  action: string,
  prepare: () => Promise<O>,
  wordsOf: (options: O) => Words,
  options: ServiceOptions,
): Promise<void> {
  if (cluster.isWorker) return runWorker(program);
  outliveReader(tellOnce);
  try {
    await serveUntilInterrupted(program, prepare, wordsOf, options);
  } catch (error) {
    tell(`sluice: ${describeFailure(action, error).message}`);
    process.exitCode = exitCodes.failed;
  }
}

async function serveUntilInterrupted<O>(
  program: Program<O>,
  prepare: () => Promise<O>,
  wordsOf: (options: O) => Words,
  { workers, metricsAddress, quiet }: ServiceOptions,
): Promise<void> {
  // The first signal is heard whenever it comes; a second one ends the process at once.
  const { signal, stop } = listenForInterrupt();
  const interrupted = once(signal, "abort");
  const options = await prepare();
  const words = wordsOf(options);
  const service = await (workers === undefined
    ? serveHere(program, options)
    : serveByWorkers(program, options, workers));
  try {
    const metrics = metricsAddress && (await serveMetrics(metricsAddress, () => service.snapshots()));
    // A port that the system chose is told even to those who want to hear nothing.
    if (!quiet || program.port(options) === 0) tell(words.listening(service.port));
    if (metrics !== undefined && (!quiet || metricsAddress?.port === 0)) tell(`Metrics on ${metrics.url}`);
    await interrupted;
    if (!quiet) tell(words.finishing);
    await service.stop();
    metrics?.close();
  } catch (error) {
    await service.stop();
    throw error;
  } finally {
    stop();
  }
}
