/** What other processes have cost so far, from /proc: the same look from outside for every contender. */
import { readdirSync, readFileSync } from "node:fs";

/** Of a process, its threads and its children. Threads and children that have ended are not in it. */
export interface Reading {
  /** Nanoseconds run in user and in system mode; /proc/PID/stat would count in hundredths of a second. */
  readonly cpuNs: number;
  /** … by the first thread of each process: where an event loop runs. */
  readonly mainThreadNs: number;
  /** Context switches because it waited, and because somebody else was to run. */
  readonly voluntary: number;
  readonly involuntary: number;
  /** Resident now. Pages that are shared count once for each process. */
  readonly rssBytes: number;
}

const nothing: Reading = { cpuNs: 0, mainThreadNs: 0, voluntary: 0, involuntary: 0, rssBytes: 0 };

const numbers = (text: string) => text.split(/\s+/).filter(Boolean).map(Number);

/** A field of /proc/PID/status; 0 where there is none, as for a process that has just ended. */
const field = (status: string, name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0);

function add(a: Reading, b: Reading): Reading {
  return {
    cpuNs: a.cpuNs + b.cpuNs,
    mainThreadNs: a.mainThreadNs + b.mainThreadNs,
    voluntary: a.voluntary + b.voluntary,
    involuntary: a.involuntary + b.involuntary,
    rssBytes: a.rssBytes + b.rssBytes,
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
export function readTree(pid: number): Reading {
  const tasks = `/proc/${pid}/task`;
  return readdirSync(tasks)
    .map((task): Reading => {
      const status = look(`${tasks}/${task}/status`);
      const [ran = 0] = numbers(look(`${tasks}/${task}/schedstat`));
      const main = Number(task) === pid;
      const own: Reading = {
        cpuNs: ran,
        mainThreadNs: main ? ran : 0,
        voluntary: field(status, "voluntary_ctxt_switches"),
        involuntary: field(status, "nonvoluntary_ctxt_switches"),
        rssBytes: main ? field(status, "VmRSS") * 1024 : 0,
      };
      return numbers(look(`${tasks}/${task}/children`))
        .map(readTree)
        .reduce(add, own);
    })
    .reduce(add, nothing);
}

/** Of several that have no descendants in common. */
export function readTrees(pids: readonly number[]): Reading {
  return pids.map(readTree).reduce(add, nothing);
}

/** A process and all that descend from it. */
export function pidsOf(pid: number): number[] {
  const tasks = `/proc/${pid}/task`;
  const children = readdirSync(tasks).flatMap((task) => numbers(look(`${tasks}/${task}/children`)));
  return [pid, ...children.flatMap(pidsOf)];
}

/** Nanoseconds that a process, its threads and its children have run, in user and in system mode. */
export function cpuNs(pid: number): number {
  return readTree(pid).cpuNs;
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
