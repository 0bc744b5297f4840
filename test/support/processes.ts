/** Which processes there are, whose children they are, and what CPU time they have used: from /proc, where there is one. */
import { readdirSync, readFileSync } from "node:fs";

export interface ProcessStat {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  /** Its own CPU time and that of children that it has waited for. */
  readonly cpuMs: number;
}

/** proc(5) counts in hundredths of a second on every machine that Linux runs on. */
const tickMs = 10;

/** What /proc/PID/stat says. The name, in parentheses, may hold anything. */
export function parseStat(text: string): ProcessStat {
  const pid = Number.parseInt(text, 10);
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const number = (index: number) => Number(fields[index]);
  // Behind the name: state, parent, group; from the twelfth on utime, stime, cutime, cstime.
  const ticks = number(11) + number(12) + number(13) + number(14);
  return { pid, parent: number(1), group: number(2), cpuMs: ticks * tickMs };
}

/** All that run. None where there is no /proc: then output alone tells that a process goes on. */
export function readProcesses(): ProcessStat[] {
  return processFolders().flatMap((name) => {
    try {
      return [parseStat(readFileSync(`/proc/${name}/stat`, "utf8"))];
    } catch {
      // It has ended since.
      return [];
    }
  });
}

function processFolders(): string[] {
  try {
    return readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
}

/**
 * Those of a process's group, their descendants in whatever group, and those that were known to belong to it and have
 * lost their parents.
 */
export function familyOf(leader: number, known: ReadonlySet<number>, all: readonly ProcessStat[]): ProcessStat[] {
  const members = new Set(
    all.filter(({ pid, group }) => pid === leader || group === leader || known.has(pid)).map(({ pid }) => pid),
  );
  // A child may stand before its parent: numbers are used again.
  for (let before = -1; before !== members.size;) {
    before = members.size;
    for (const { pid, parent } of all) if (members.has(parent)) members.add(pid);
  }
  return all.filter(({ pid }) => members.has(pid));
}
