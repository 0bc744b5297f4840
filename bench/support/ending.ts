/** Programs that do one piece of work and end, as contenders: what wait4(2) says of them, or what they say of themselves. */
import type { Contender, Point } from "./contest.ts";
import { helper, start } from "./helpers.ts";
import type { Sample } from "./metrics.ts";
import { type Amount, type Around, surrounded, type Times } from "./staying.ts";
import { median } from "./stats.ts";
import { counter } from "./syscalls.ts";

export type Command = readonly [string, ...string[]];

export type Cost = Times & Omit<Sample, keyof Amount | keyof Times>;

/** "WALL_NS CPU_NS VOLUNTARY INVOLUNTARY MAXRSS_BYTES", of a program whose processes have one thread each. */
export function costOf(line: string): Cost {
  const [wallNs, cpuNs, voluntary, involuntary, rssBytes] = line.split(" ").map(Number);
  if (wallNs === undefined || cpuNs === undefined || rssBytes === undefined)
    throw new Error(`There is no cost in “${line}”`);
  return { wallNs, latencyNs: wallNs, cpuNs, mainThreadNs: cpuNs, voluntary, involuntary, rssBytes };
}

/** A program that measures itself, so that its start is not in it. */
export async function toldByItself([program, ...args]: Command): Promise<Cost> {
  return costOf(await start(program, args).output);
}

export async function seenFromOutside(command: Command): Promise<Cost> {
  return costOf(await start(await helper("measure"), command).output);
}

/** Before each run: how long a start takes changes with what else the machine does. */
const startsMeasured = 5;

/** What is in it of a program's start, and not of its work. */
const ofStarts = ["wallNs", "latencyNs", "cpuNs", "mainThreadNs", "voluntary", "involuntary"] as const;

/** From outside, without what the program takes with nothing to do. */
export function seenWithoutStart(nothing: Command): (command: Command) => Promise<Cost> {
  return async (command) => {
    const starts: Cost[] = [];
    for (let i = 0; i < startsMeasured; i++) starts.push(await seenFromOutside(nothing));
    const cost = await seenFromOutside(command);
    // Never less than nothing: a start may have been switched away from, and this one not.
    const without = ofStarts.map((name) => [name, Math.max(0, (cost[name] ?? Number.NaN) - startOf(starts, name))]);
    return { ...cost, ...Object.fromEntries(without) };
  };
}

const startOf = (starts: readonly Cost[], name: (typeof ofStarts)[number]) =>
  median(starts.map((one) => one[name] ?? Number.NaN));

export interface Ending extends Pick<Contender, "name" | "role" | "serves">, Around {
  readonly amount: (point: Point) => Amount;
  readonly command: (point: Point) => Command;
  /** The program with nothing to do. */
  readonly nothing: Command;
  readonly cost: (command: Command) => Promise<Cost>;
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
