/** Processes that stay for all rounds, as a contender: /proc tells from outside what a piece of work has cost them. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Contender, Point } from "./contest.ts";
import type { Sample } from "./metrics.ts";
import { pidsOf, startTreeMeter } from "./process-tree.ts";
import type { Subject } from "./subject.ts";
import { counter } from "./syscalls.ts";

/** How long a piece of work took, as seen by whoever asked for it. */
export type Times = Pick<Sample, "wallNs" | "latencyNs">;

/** How much a piece of work is. */
export type Amount = Pick<Sample, "bytes" | "requests">;

/** What belongs before and after a piece of work, and is nobody's cost. */
export interface Around {
  /** Makes a point what it says: throws the file out of the page cache, say. */
  readonly prepare?: (point: Point) => Promise<void>;
  /** Looks at what has come of it, and clears it away. */
  readonly finish?: (point: Point) => Promise<void>;
}

export interface Staying extends Pick<Contender, "name" | "role" | "serves">, Around {
  readonly subjects: readonly Subject[];
  readonly amount: (point: Point) => Amount;
  readonly work: (point: Point) => Promise<Times>;
}

/** "TOTAL_NS MEDIAN_NS…": what clients in C print. */
export function timesOf(line: string): Times {
  const [wallNs, latencyNs] = line.split(" ").map(Number);
  if (wallNs === undefined || latencyNs === undefined) throw new Error(`There are no times in “${line}”`);
  return { wallNs, latencyNs };
}

export async function surrounded<T>({ prepare, finish }: Around, point: Point, work: () => Promise<T>): Promise<T> {
  await prepare?.(point);
  const result = await work();
  await finish?.(point);
  return result;
}

/** Long enough for a process to close its files and count its bytes after the last byte has gone. */
const settleMs = 15;

type Work = () => Promise<Times>;

async function observed(subjects: readonly Subject[], work: Work): Promise<Omit<Sample, keyof Amount>> {
  const stop = startTreeMeter(subjects.map(({ pid }) => pid));
  const times = await work();
  await sleep(settleMs);
  return { ...times, ...stop() };
}

/** Of the event loop that waited the longest. */
async function delayOf(probed: readonly Subject[], work: Work): Promise<number> {
  await Promise.all(probed.map((one) => one.ask("watch")));
  await work();
  const delays = await Promise.all(probed.map((one) => one.ask("delay")));
  return Math.max(...delays.map(({ p99Ms }) => p99Ms));
}

export function staying({ name, role, serves, subjects, amount, work, ...around }: Staying): Contender {
  const done = <T>(point: Point, look: (work: Work) => Promise<T>) =>
    surrounded(around, point, () => look(() => work(point)));
  return {
    name,
    role,
    ...(serves && { serves }),
    run: async (point) => ({ ...amount(point), ...(await done(point, (it) => observed(subjects, it))) }),
    async count(point) {
      const by = await counter();
      const pids = subjects.flatMap(({ pid }) => pidsOf(pid));
      const probed = subjects.filter((one) => one.probed);
      return {
        ...amount(point),
        syscalls: typeof by === "string" ? undefined : await done(point, (it) => by.count(pids, it)),
        delayP99Ms: probed.length === 0 ? undefined : await done(point, (it) => delayOf(probed, it)),
      };
    },
  };
}
