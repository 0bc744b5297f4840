/** What a stretch of work cost this process, from outside of the work itself. */
import { readFileSync } from "node:fs";

interface Reading {
  readonly wallNs: bigint;
  readonly usage: NodeJS.ResourceUsage;
  readonly mainThreadNs: number | undefined;
  readonly ioCalls: number | undefined;
}

export interface Cost {
  readonly wallNs: number;
  /** User and system time of all threads. */
  readonly cpuNs: number;
  /** CPU time of the thread that runs the event loop; undefined where the kernel doesn't tell. */
  readonly mainThreadNs: number | undefined;
  /** Voluntary and involuntary, of all threads. */
  readonly contextSwitches: number;
  /** read- and write-like system calls by /proc/self/io; undefined where there is none. */
  readonly ioCalls: number | undefined;
}

function proc(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "EACCES"))
      return undefined;
    throw error;
  }
}

function ioCalls(): number | undefined {
  const io = proc("/proc/self/io");
  if (io === undefined) return undefined;
  return ["syscr", "syscw"].reduce((sum, name) => sum + Number(new RegExp(`^${name}: (\\d+)`, "m").exec(io)?.[1]), 0);
}

/** Nanoseconds that the main thread has run (first field of schedstat; Linux 2.6.23). */
function mainThreadNs(): number | undefined {
  const text = proc(`/proc/self/task/${process.pid}/schedstat`);
  return text === undefined ? undefined : Number(text.split(" ")[0]);
}

function read(): Reading {
  return {
    ioCalls: ioCalls(),
    mainThreadNs: mainThreadNs(),
    usage: process.resourceUsage(),
    wallNs: process.hrtime.bigint(),
  };
}

function difference(after: number | undefined, before: number | undefined): number | undefined {
  return after === undefined || before === undefined ? undefined : after - before;
}

/** Starts the meter; the function that comes back stops it. Readings right after a wake-up are exact. */
export function startMeter(): () => Cost {
  const before = read();
  return () => {
    const wallNs = Number(process.hrtime.bigint() - before.wallNs);
    const after = read();
    const grown = (name: keyof NodeJS.ResourceUsage) => after.usage[name] - before.usage[name];
    return {
      wallNs,
      cpuNs: (grown("userCPUTime") + grown("systemCPUTime")) * 1000,
      mainThreadNs: difference(after.mainThreadNs, before.mainThreadNs),
      contextSwitches: grown("voluntaryContextSwitches") + grown("involuntaryContextSwitches"),
      ioCalls: difference(after.ioCalls, before.ioCalls),
    };
  };
}
