/** Processes as contenders: those that stay, programs that end with their work, and socat. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Contender, Point } from "./contest.ts";
import { pidsOf, startTreeMeter } from "./meter.ts";
import type { Sample } from "./metrics.ts";
import { helper, needProgram, start } from "./programs.ts";
import { freePort, type Subject } from "./servers.ts";
import { median } from "./stats.ts";
import { counter } from "./syscalls.ts";

/** How long a piece of work took, as its client sees it. */
export type Times = Pick<Sample, "wallNs" | "latencyNs">;

/** How much a piece of work is. */
export type Amount = Pick<Sample, "bytes" | "requests">;

/** What belongs before and after a piece of work, and is not measured. */
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

export type Command = readonly [string, ...string[]];

export type RunCost = Times & Omit<Sample, keyof Amount | keyof Times>;

/** "WALL_NS CPU_NS VOLUNTARY INVOLUNTARY MAXRSS_BYTES", of a program whose processes have one thread each. */
export function costOf(line: string): RunCost {
  const [wallNs, cpuNs, voluntary, involuntary, rssBytes] = line.split(" ").map(Number);
  if (wallNs === undefined || cpuNs === undefined || rssBytes === undefined)
    throw new Error(`There is no cost in “${line}”`);
  return { wallNs, latencyNs: wallNs, cpuNs, mainThreadNs: cpuNs, voluntary, involuntary, rssBytes };
}

/** A program that measures itself, so that its start is not in it. */
export async function toldByItself([program, ...args]: Command): Promise<RunCost> {
  return costOf(await start(program, args).output);
}

export async function seenFromOutside(command: Command): Promise<RunCost> {
  return costOf(await start(await helper("measure"), command).output);
}

/** Before each run: how long a start takes changes with what else the machine does. */
const startsMeasured = 5;

/** What is in it of a program's start, and not of its work. */
const ofStarts = ["wallNs", "latencyNs", "cpuNs", "mainThreadNs", "voluntary", "involuntary"] as const;

/** From outside, without what the program takes with nothing to do. */
export function seenWithoutStart(nothing: Command): (command: Command) => Promise<RunCost> {
  return async (command) => {
    const starts: RunCost[] = [];
    for (let i = 0; i < startsMeasured; i++) starts.push(await seenFromOutside(nothing));
    const cost = await seenFromOutside(command);
    // Never less than nothing: a start may have been switched away from, and this one not.
    const without = ofStarts.map((name) => [name, Math.max(0, (cost[name] ?? Number.NaN) - startOf(starts, name))]);
    return { ...cost, ...Object.fromEntries(without) };
  };
}

const startOf = (starts: readonly RunCost[], name: (typeof ofStarts)[number]) =>
  median(starts.map((one) => one[name] ?? Number.NaN));

export interface Ending extends Pick<Contender, "name" | "role" | "serves">, Around {
  readonly amount: (point: Point) => Amount;
  readonly command: (point: Point) => Command;
  /** The program with nothing to do. */
  readonly nothing: Command;
  readonly cost: (command: Command) => Promise<RunCost>;
}

export function ending({ name, role, serves, amount, command, nothing, cost, ...around }: Ending): Contender {
  return {
    name,
    role,
    ...(serves && { serves }),
    run: async (point) => ({
      ...amount(point),
      ...(await surrounded(around, point, () => cost(command(point)))),
    }),
    async count(point) {
      const by = await counter();
      if (typeof by === "string") return amount(point);
      const all = await surrounded(around, point, () => by.countProgram(command(point)));
      return { ...amount(point), syscalls: Math.max(0, all - (await by.countProgram(nothing))) };
    },
  };
}

export const socat = "socat -b 1 MiB";

export interface Socat {
  /** What its connection is joined with. */
  readonly other: (point: Point) => string;
  readonly options?: readonly string[];
  readonly serves?: (point: Point) => boolean;
  readonly amount: (point: Point) => Amount;
  /** What a client does with it. */
  readonly work: (point: Point, port: number) => Promise<Times>;
}

/** Where its start is no longer what is measured. */
const leastBytes = 2 ** 20;

/** Asks again until it listens: it doesn't say when it does. */
async function onceListening(work: () => Promise<Times>, ended: Promise<unknown>): Promise<Times> {
  for (;;) {
    const times = await work().catch((error: unknown) => {
      if (error instanceof Error && error.message.includes("Connection refused")) return undefined;
      throw error;
    });
    if (times !== undefined) return times;
    await Promise.race([new Promise((resolve) => setTimeout(resolve, 5)), ended]);
  }
}

/** @throws Unavailable when it is not installed */
export function socatContender({ other, options = [], serves, amount, work }: Socat): Contender {
  needProgram("socat");
  const commandFor = (point: Point, port: number) => [
    "socat",
    ...options,
    "-b",
    String(2 ** 20),
    other(point),
    `TCP-LISTEN:${port},bind=127.0.0.1,nodelay`,
  ];
  return {
    name: socat,
    role: "rival",
    serves: (point) => point.cache === "warm" && amount(point).bytes >= leastBytes && (serves?.(point) ?? true),
    async run(point) {
      const port = await freePort();
      const running = start(await helper("measure"), commandFor(point, port));
      const times = await onceListening(() => work(point, port), running.output);
      return { ...amount(point), ...costOf(await running.output), ...times };
    },
    async count(point) {
      const by = await counter();
      if (typeof by === "string") return amount(point);
      const port = await freePort();
      const counting = by.countProgram(commandFor(point, port));
      // It is awaited below, after the client.
      counting.catch(() => {});
      await onceListening(() => work(point, port), counting);
      return { ...amount(point), syscalls: await counting };
    },
  };
}
