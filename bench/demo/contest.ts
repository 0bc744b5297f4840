/** Every mechanism sends the same file over TCP to one reader in another process, each time from a fresh process. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ReadOrder, ReadReport } from "./reader.ts";
import { scratchFolder } from "../support/files.ts";
import { alternate, median } from "../support/stats.ts";
import { runTask, type TaskOptions } from "../support/task.ts";
import { countSystemCalls, straceLauncher } from "../support/syscalls.ts";
import type { Mechanism, SendOutput } from "../subjects/sending.ts";

export interface Course {
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly rounds: number;
  /** Whether system calls are counted by strace; else by the engine or by /proc. */
  readonly trace: boolean;
}

/** What was measured of one mechanism: medians of the rounds, but for `worstDelayMs` and `systemCalls`. */
export interface Result {
  readonly bytesPerSecond: number;
  readonly cpuSecondsPerGB: number;
  /** undefined where nothing on this machine counts them. */
  readonly systemCalls: number | undefined;
  readonly contextSwitches: number;
  /** 0 to 1; undefined where the kernel doesn't tell. */
  readonly mainThreadShare: number | undefined;
  readonly worstDelayMs: number;
}

export type DemoVerdict = { readonly result: Result } | { readonly failure: string };

/** Loads libraries, starts threads and compiles JavaScript before anything is measured. */
const warmupBytes = 8 * 1024 * 1024;

/** The reader: one process for the whole contest, so that all find its memory equally warm. */
function openReader() {
  const reader = fork(fileURLToPath(new URL("./reader.js", import.meta.url)));
  const gone = new Promise<never>((_, reject) => {
    reader.once("error", reject);
    reader.once("exit", (code, signal) => reject(new Error(`the reader ended with ${signal ?? code}`)));
  });
  gone.catch(() => {}); // A caller that awaits a report is told.
  return {
    /** It takes one order at a time. */
    async read(order: ReadOrder): Promise<ReadReport> {
      const report = once(reader, "message");
      reader.send(order);
      const [answer] = await Promise.race([report, gone]);
      return answer as ReadReport;
    },
    close: () => reader.disconnect(),
  };
}

type Reader = ReturnType<typeof openReader>;

async function sendOnce(
  reader: Reader,
  { file, bytes, sha256 }: Course,
  mechanism: Mechanism,
  how: Pick<TaskOptions, "launcher"> & { readonly watchDelay?: boolean } = {},
): Promise<SendOutput> {
  const { watchDelay = false, ...options } = how;
  let report: Promise<ReadReport> | undefined;
  const input = { file, mechanism, connections: 1, warmupBytes: Math.min(warmupBytes, bytes), bytes, watchDelay };
  try {
    const output = await runTask("send", input, {
      ...options,
      onPort: (port) => (report = reader.read({ port, warmupBytes: input.warmupBytes, bytes })),
    });
    const got = await report;
    if (got?.received !== bytes) throw new Error(`the reader got ${got?.received} of ${bytes} bytes`);
    if (got.sha256 !== sha256) throw new Error(`sha256 MISMATCH: sent ${sha256}, received ${got.sha256}`);
    return output;
  } finally {
    await Promise.allSettled([report]); // Its next order must not be answered with this one's report.
  }
}

async function tracedCalls(reader: Reader, course: Course, mechanism: Mechanism, folder: string): Promise<number> {
  const file = join(folder, mechanism);
  await sendOnce(reader, course, mechanism, { launcher: straceLauncher(file) });
  return countSystemCalls(file);
}

function summarise(
  outputs: readonly SendOutput[],
  bytes: number,
  worstDelayMs: number,
  traced: number | undefined,
): Result {
  const middle = (figure: (output: SendOutput) => number | undefined) => {
    const figures = outputs.map(figure).filter((value) => value !== undefined);
    return figures.length === 0 ? undefined : median(figures);
  };
  return {
    bytesPerSecond: middle(({ cost }) => bytes / (cost.wallNs / 1e9)) ?? Number.NaN,
    cpuSecondsPerGB: middle(({ cost }) => cost.cpuNs / bytes) ?? Number.NaN,
    systemCalls: traced ?? middle(({ syscalls, cost }) => syscalls || cost.ioCalls),
    contextSwitches: middle(({ cost }) => cost.contextSwitches) ?? Number.NaN,
    mainThreadShare: middle(({ cost }) => cost.mainThreadNs && cost.mainThreadNs / cost.cpuNs),
    worstDelayMs,
  };
}

/** Runs the contest. A mechanism that fails is out of it, and its verdict says why. */
export async function contest(
  course: Course,
  mechanisms: readonly Mechanism[],
  onRun: () => void,
): Promise<Map<Mechanism, DemoVerdict>> {
  const reader = openReader();
  const folder = await scratchFolder(tmpdir(), 0);
  const failures = new Map<Mechanism, string>();
  /** One run; undefined once the mechanism has failed. */
  const attempt = async <T>(mechanism: Mechanism, run: () => Promise<T>): Promise<T | undefined> => {
    onRun();
    if (failures.has(mechanism)) return undefined;
    return run().catch((error: Error) => {
      failures.set(mechanism, error.message);
      return undefined;
    });
  };
  try {
    const contenders = Object.fromEntries(
      mechanisms.map((name) => [name, () => attempt(name, () => sendOnce(reader, course, name))]),
    );
    const runs = await alternate(contenders, course.rounds);
    const verdicts = new Map<Mechanism, DemoVerdict>();
    for (const name of mechanisms) {
      const watched = await attempt(name, () => sendOnce(reader, course, name, { watchDelay: true }));
      const traced = course.trace ? await attempt(name, () => tracedCalls(reader, course, name, folder)) : undefined;
      const outputs = (runs[name] ?? []).filter((output) => output !== undefined);
      const failure = failures.get(name);
      verdicts.set(
        name,
        failure === undefined
          ? { result: summarise(outputs, course.bytes, watched?.delay?.worstMs ?? Number.NaN, traced) }
          : { failure },
      );
    }
    return verdicts;
  } finally {
    reader.close();
  }
}
