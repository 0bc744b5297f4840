/** What other processes have cost so far, from /proc. */
import { readdirSync, readFileSync } from "node:fs";

const numbers = (text: string) => text.split(/\s+/).filter(Boolean).map(Number);

/**
 * Nanoseconds that a process, its threads and its children have run, in user and in system mode. The same as in
 * /proc/PID/stat, which counts in hundredths of a second. Threads that have ended are not in it.
 */
export function cpuNs(pid: number): number {
  const tasks = `/proc/${pid}/task`;
  return readdirSync(tasks).reduce((sum, task) => {
    const [ran = 0] = numbers(readFileSync(`${tasks}/${task}/schedstat`, "latin1"));
    const children = numbers(readFileSync(`${tasks}/${task}/children`, "latin1"));
    return sum + ran + children.reduce((all, child) => all + cpuNs(child), 0);
  }, 0);
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
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? NaN);
  return {
    residentBytes: field("VmRSS") * 1024,
    threads: field("Threads"),
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
  };
}
