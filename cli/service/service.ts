/** A service of the command line from its first line to its last, whether in this process or in others. */
import cluster from "node:cluster";
import { once } from "node:events";
import process from "node:process";
import { Counter, Registry } from "prom-client";
import { missingEngine } from "sluice/internal";
import type { HostAddress } from "../address.ts";
import { describeFailure, exitCodes } from "../exit.ts";
import { listenForInterrupt } from "../interrupt.ts";
import { outliveReader, tellOnce } from "../output.ts";
import { tell } from "../screen.ts";
import { serveMetrics, type Snapshot } from "./metrics.ts";
import type { Program } from "./program.ts";
import { WorkerSlot } from "./worker-slot.ts";
import { type FromWorker, runWorker } from "./worker.ts";

export interface ServiceOptions {
  /** Undefined: this process serves. */
  readonly workers: number | undefined;
  readonly metricsAddress: HostAddress | undefined;
  readonly quiet: boolean;
}

/** What is said to people. */
interface Words {
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
  const hangups = reloadAtHangup(service);
  try {
    const metrics =
      metricsAddress &&
      (await serveMetrics(metricsAddress, {
        snapshots: () => service.snapshots(),
        isServing: () => !signal.aborted && service.isServing(),
      }));
    // A port that the system chose is told even to those who want to hear nothing.
    const missing = quiet ? undefined : missingEngine();
    const without = missing === undefined ? "" : ` without the engine: ${missing}`;
    if (!quiet || program.port(options) === 0) tell(words.listening(service.port) + without);
    if (metrics !== undefined && (!quiet || metricsAddress?.port === 0)) tell(`Metrics on ${metrics.url}`);
    await interrupted;
    if (!quiet) tell(words.finishing);
    await service.stop();
    metrics?.close();
  } catch (error) {
    await service.stop();
    throw error;
  } finally {
    hangups.stop();
    stop();
  }
}

/** Reloads at each SIGHUP, one after the other, until `stop`. Where it can't, what there is goes on, with its log opened anew. */
function reloadAtHangup(service: Service): { stop(): void } {
  let done = Promise.resolve();
  const hangup = () => {
    done = done.then(() => service.reload());
  };
  process.on("SIGHUP", hangup);
  return { stop: () => void process.off("SIGHUP", hangup) };
}

/** What is read anew, or what there was. */
async function refresh<O>(program: Program<O>, options: O): Promise<O> {
  try {
    return await program.reload(options);
  } catch (error) {
    tell(`sluice: ${describeFailure("reload", error).message}; going on as before`);
    return options;
  }
}

interface Service {
  /** Undefined where it isn't known, or there is none. */
  readonly port: number | undefined;
  snapshots(): Promise<readonly Snapshot[]>;
  /** Whether connections are taken. */
  isServing(): boolean;
  reload(): Promise<void>;
  /** Takes no more connections, and waits for what is under way. */
  stop(): Promise<void>;
}

/** Serves in this process. */
async function serveHere<O>(program: Program<O>, options: O): Promise<Service> {
  const running = await program.start(options);
  let current = options;
  return {
    port: running.port,
    snapshots: async () => (running.metrics === undefined ? [] : [await running.metrics.snapshot()]),
    isServing: () => true,
    async reload() {
      current = await refresh(program, current);
      running.reload(current);
    },
    stop: () => running.close(),
  };
}

/** Serves in workers, which share the address. */
async function serveByWorkers<O>(program: Program<O>, options: O, count: number): Promise<Service> {
  const shared = await program.share(options);
  let current = shared;
  const registry = new Registry();
  const replaced = new Counter({
    name: "sluice_workers_replaced_total",
    help: "Workers that ended and were replaced.",
    registers: [registry],
  });
  // All of them have the same stdout.
  cluster.on("message", (_worker, message: FromWorker) => message.kind === "log" && tellOnce(message.line));
  const mission = { options: shared, shutdownMs: program.shutdownMs(options) };
  const slots = Array.from({ length: count }, (_, i) => new WorkerSlot(i + 1, mission, () => replaced.inc()));
  const stop = async () => void (await Promise.all(slots.map((slot) => slot.stop())));
  try {
    await Promise.all(slots.map((slot) => slot.start()));
  } catch (error) {
    await stop();
    throw error;
  }
  for (const slot of slots) void slot.keep();
  return {
    port: program.port(shared),
    async snapshots() {
      const answers = await Promise.all(slots.map((slot) => slot.snapshot()));
      return [await registry.getMetricsAsJSON(), ...answers.filter((answer) => answer !== undefined)];
    },
    isServing: () => slots.some((slot) => slot.isServing),
    async reload() {
      current = await refresh(program, current);
      for (const slot of slots) slot.reload(current);
    },
    stop,
  };
}
