/** What a stretch of work costs a process: this one, as it sees itself, or others with their children, from /proc. */
import { readdirSync, readFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";

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
  readonly cpuNs: number;
  /** … by the first thread of each process: where an event loop runs. */
  readonly mainThreadNs: number;
  /** Context switches because it waited, and because somebody else was to run. */
  readonly voluntary: number;
  readonly involuntary: number;
  /** Resident at the second look. Pages that are shared count once for each process. */
  readonly rssBytes: number;
}

/** A thread at one look, since it began. */
type Thread = Spent;

const nothing: Spent = { cpuNs: 0, mainThreadNs: 0, voluntary: 0, involuntary: 0, rssBytes: 0 };

const numbers = (text: string) => text.split(/\s+/).filter(Boolean).map(Number);

/** A field of /proc/PID/status; 0 where there is none, as for a process that has just ended. */
const field = (status: string, name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0);

function add(a: Spent, b: Spent): Spent {
  return {
    cpuNs: a.cpuNs + b.cpuNs,
    mainThreadNs: a.mainThreadNs + b.mainThreadNs,
    voluntary: a.voluntary + b.voluntary,
    involuntary: a.involuntary + b.involuntary,
    rssBytes: a.rssBytes + b.rssBytes,
  };
}

function since(before: Thread, now: Thread): Spent {
  return {
    cpuNs: now.cpuNs - before.cpuNs,
    mainThreadNs: now.mainThreadNs - before.mainThreadNs,
    voluntary: now.voluntary - before.voluntary,
    involuntary: now.involuntary - before.involuntary,
    rssBytes: now.rssBytes,
  };
}

/** A file of a thread that may end while it is looked at. */
function look(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ESRCH")) return "";
    throw error;
  }
}

/** @throws Error (ENOENT) when there is no such process */
function threadsOf(pid: number): [number, Thread][] {
  return readdirSync(`/proc/${pid}/task`).map((task): [number, Thread] => {
    const status = look(`/proc/${pid}/task/${task}/status`);
    const [ran = 0] = numbers(look(`/proc/${pid}/task/${task}/schedstat`));
    const main = Number(task) === pid;
    const thread: Thread = {
      cpuNs: ran,
      mainThreadNs: main ? ran : 0,
      voluntary: field(status, "voluntary_ctxt_switches"),
      involuntary: field(status, "nonvoluntary_ctxt_switches"),
      rssBytes: main ? field(status, "VmRSS") * 1024 : 0,
    };
    return [Number(task), thread];
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
  return () =>
    threads()
      .map(([id, now]) => since(before.get(id) ?? nothing, now))
      .reduce(add, nothing);
}

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
    residentBytes: field(status, "VmRSS") * 1024,
    threads: field(status, "Threads"),
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
  };
}
