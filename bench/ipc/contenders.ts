/** Who carries a file from one process to another: `sluice ipc` in its three ways, the same in C, the article's own, and cat. */
import { fileURLToPath } from "node:url";
import { assemble, type Contender, type Point, type Role } from "../support/contest.ts";
import { type Command, type Cost, ending, seenWithoutStart, toldByItself } from "../support/ending.ts";
import type { Experiment } from "../support/experiment.ts";
import { helper } from "../support/helpers.ts";
import { needProgram } from "../support/programs.ts";
import { type Around, staying } from "../support/staying.ts";
import { subjectOf } from "../support/subject.ts";

const KiB = 1024;
const MiB = 1024 * KiB;

export interface Place {
  readonly from: string;
  readonly to: string;
  /** What belongs before and after each way of the file. */
  readonly around: (name: string) => Around;
  readonly experiment: Experiment;
}

interface Carrier {
  readonly name: string;
  readonly role: Role;
  readonly setUp: (place: Place) => Promise<Contender>;
}

const amount = ({ bytes }: Point) => ({ bytes, requests: 1 });

export const outOfStep = "C: mmap, out of step as in the article";

/** The same two processes for all three. */
const ours = (name: "pipe" | "ring" | "splice"): Carrier => ({
  name,
  role: "sluice",
  setUp: async ({ from, to, around, experiment }) =>
    staying({
      name,
      role: "sluice",
      amount,
      ...around(name),
      subjects: experiment.processes.map(subjectOf),
      async work() {
        const { ns } = await experiment.run(name, from, to);
        return { wallNs: ns, latencyNs: ns };
      },
    }),
});

interface Program {
  readonly command: (from: string, to: string, bytes: number) => Command;
  readonly nothing: Command;
  readonly cost: (command: Command) => Promise<Cost>;
}

const byProgram = (name: string, role: Role, find: () => Promise<Program>): Carrier => ({
  name,
  role,
  async setUp({ from, to, around }) {
    const { command, ...program } = await find();
    return ending({
      name,
      role,
      amount,
      ...program,
      ...around(name),
      command: ({ bytes }) => command(from, to, bytes),
    });
  },
});

/** @param sizes what moves at once, and what the pipe or the ring holds */
const inC = (name: string, role: Role, method: string, ...sizes: readonly number[]) =>
  byProgram(name, role, async () => {
    const program = await helper("two_processes");
    return {
      command: (from, to, bytes) => [program, method, from, to, ...[bytes, ...sizes].map(String)],
      nothing: [program],
      cost: toldByItself,
    };
  });

const shell = (script: string, ...args: readonly string[]): Command => ["sh", "-c", script, ...args];

/** The loops of our own mechanisms have the engine's own sizes. */
const carriers: readonly Carrier[] = [
  ours("pipe"),
  ours("ring"),
  ours("splice"),
  inC("C: pipe, sizes of the article", "limit", "pipe", 64 * KiB, 0),
  inC("C: pipe", "limit", "pipe", 256 * KiB, MiB),
  inC("C: splice", "limit", "splice", MiB, MiB),
  inC("C: ring", "limit", "ring", 256 * KiB, 4 * MiB),
  inC(outOfStep, "rival", "shared", 0, 0),
  inC("C: mmap, in step each 256 KiB", "rival", "locked", 256 * KiB, 4 * MiB),
  inC("C: mmap, in step each 4 KiB", "rival", "locked", 4 * KiB, 4 * MiB),
  byProgram("cat | cat", "rival", async () => {
    needProgram("cat");
    const nothing = shell("cat </dev/null | cat >/dev/null");
    return {
      command: (from, to) => shell('cat "$0" | cat >"$1"', from, to),
      nothing,
      cost: seenWithoutStart(nothing),
    };
  }),
];

export const carriersAt = (place: Place) =>
  assemble(carriers.map(({ name, role, setUp }) => ({ name, role, setUp: () => setUp(place) })));

/** What the two processes run: `sluice ipc`'s own, with the probe. */
export const program = fileURLToPath(new URL("child.js", import.meta.url));
