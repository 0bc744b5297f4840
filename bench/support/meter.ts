/** What a stretch of work costs a process: this one, as it sees itself, or others with their children, from /proc. */
import { readdirSync, readFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";

/** A file of /proc; empty where there is none, as for a thread that has just ended, or where it may not be read. */
function look(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch (error) {
    if (error instanceof Error && "code" in error && ["ENOENT", "ESRCH", "EACCES"].includes(String(error.code)))
      return "";
    throw error;
  }
}

const numbers = (text: string) => text.split(/\s+/).filter(Boolean).map(Number);

/** A field of such a file, by its name; undefined where there is none. */
function field(text: string, name: string): number | undefined {
  const value = new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1];
  return value === undefined ? undefined : Number(value);
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

function read() {
  const io = look("/proc/self/io");
  const [reads, writes] = [field(io, "syscr"), field(io, "syscw")];
  return {
    ioCalls: reads === undefined || writes === undefined ? undefined : reads + writes,
    // Nanoseconds that it has run (first field of schedstat; Linux 2.6.23).
    mainThreadNs: numbers(look(`/proc/self/task/${process.pid}/schedstat`))[0],
    usage: process.resourceUsage(),
    wallNs: process.hrtime.bigint(),
  };
}

const difference = (after: number | undefined, before: number | undefined) =>
  after === undefined || before === undefined ? undefined : after - before;

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

export interface Delay {
  readonly p99Ms: number;
  readonly worstMs: number;
}

const resolutionMs = 1;

/**
 * Starts watching; the function that comes back stops it. The timer fires before the work and after it, so that work
 * which never lets it fire counts in full; its own interval is deducted.
 */
export async function watchEventLoop(): Promise<() => Promise<Delay>> {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs });
  const beyondInterval = (ns: number) => Math.max(0, ns / 1e6 - resolutionMs);
  histogram.enable();
  await sleep(5 * resolutionMs);
  histogram.reset();
  return async () => {
    await sleep(5 * resolutionMs);
    histogram.disable();
    return { p99Ms: beyondInterval(histogram.percentile(99)), worstMs: beyondInterval(histogram.max) };
  };
}

/** What processes have taken between two looks, all their threads and children together. */
export interface Spent {
  /** Nanoseconds run in user and in system mode; /proc/PID/stat would count in hundredths of a second. */
  cpuNs: number;
  /** … by the first thread of each process: where an event loop runs. */
  mainThreadNs: number;
  /** Context switches because it waited, and because another thread was to run. */
  voluntary: number;
  involuntary: number;
  /** Resident at the second look. Pages that are shared count once for each process. */
  rssBytes: number;
}

const nothing: Spent = { cpuNs: 0, mainThreadNs: 0, voluntary: 0, involuntary: 0, rssBytes: 0 };

/** What threads have taken since they began. @throws Error (ENOENT) when there is no such process */
function threadsOf(pid: number): [number, Spent][] {
  return readdirSync(`/proc/${pid}/task`).map((task): [number, Spent] => {
    const status = look(`/proc/${pid}/task/${task}/status`);
    const [ran = 0] = numbers(look(`/proc/${pid}/task/${task}/schedstat`));
    const main = Number(task) === pid;
    const spent: Spent = {
      cpuNs: ran,
      mainThreadNs: main ? ran : 0,
      voluntary: field(status, "voluntary_ctxt_switches") ?? 0,
      involuntary: field(status, "nonvoluntary_ctxt_switches") ?? 0,
      rssBytes: main ? (field(status, "VmRSS") ?? 0) * 1024 : 0,
    };
    return [Number(task), spent];
  });
}

/** A process and all that descend from it. */
export function pidsOf(pid: number): number[] {
  const tasks = `/proc/${pid}/task`;
  const children = readdirSync(tasks).flatMap((task) => numbers(look(`${tasks}/${task}/children`)));
  return [pid, ...children.flatMap(pidsOf)];
}

/**
 * Looks at processes and those that descend from them; the function that comes back looks again. A thread that ends
 * in between is not in it: what it had taken before must not be deducted from what the others take.
 */
export function startTreeMeter(pids: readonly number[]): () => Spent {
  const threads = () => pids.flatMap(pidsOf).flatMap(threadsOf);
  const before = new Map(threads());
  return () => {
    const sum = { ...nothing };
    for (const [id, now] of threads()) {
      const { cpuNs, mainThreadNs, voluntary, involuntary } = before.get(id) ?? nothing;
      sum.cpuNs += now.cpuNs - cpuNs;
      sum.mainThreadNs += now.mainThreadNs - mainThreadNs;
      sum.voluntary += now.voluntary - voluntary;
      sum.involuntary += now.involuntary - involuntary;
      sum.rssBytes += now.rssBytes;
    }
    return sum;
  };
}

/** The most that processes, and those that descend from them, have ever had resident, each at its own worst moment. */
export const peakBytes = (pid: number): number =>
  pidsOf(pid).reduce((sum, one) => sum + (field(look(`/proc/${one}/status`), "VmHWM") ?? 0) * 1024, 0);

/** What a process holds at this moment. */
export interface Holdings {
  /** Memory of its own that is in use, whether garbage or not. */
  readonly residentBytes: number;
  readonly threads: number;
  readonly descriptors: number;
}

export function holdings(pid: number): Holdings {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  return {
    residentBytes: (field(status, "VmRSS") ?? 0) * 1024,
    threads: field(status, "Threads") ?? 0,
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
  };
}
