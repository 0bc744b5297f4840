/** Who copies a file: Node by itself and with Sluice, each in a process that stays; cp and loops in C, a process for each copy. */
import { fileURLToPath } from "node:url";
import type { Contender, Point, Role } from "../support/contest.ts";
import { type Cost, type Command, ending, seenWithoutStart, toldByItself } from "../support/ending.ts";
import { helper } from "../support/helpers.ts";
import { needProgram } from "../support/programs.ts";
import { type Around, staying } from "../support/staying.ts";
import { startWorker } from "../support/subject.ts";
import type { Order, Outcome } from "./copier.ts";

export const own = "copyFile()";
export const ownWithoutReflink = 'copyFile({ reflink: "never" })';
export const cp = "cp --reflink=never";
export const node = "fs.copyFile()";

/** What is copied and where to, and what belongs before and after it. */
export interface Place extends Around {
  readonly from: (point: Point) => string;
  readonly to: string;
}

export interface Copier {
  readonly name: string;
  readonly role: Role;
  readonly setUp: (place: Place) => Promise<{ readonly contender: Contender; readonly stop: () => Promise<void> }>;
}

const amount = ({ bytes }: Point) => ({ bytes, requests: 1 });
const script = fileURLToPath(new URL("copier.js", import.meta.url));

const inNode = (name: string, role: Role, way: string): Copier => ({
  name,
  role,
  async setUp({ from, to, ...around }) {
    const worker = startWorker<Order, Outcome>(script, [way]);
    const contender = staying({
      name,
      role,
      amount,
      ...around,
      subjects: [worker],
      async work(point) {
        const outcome = await worker.tell({ from: from(point), to });
        if ("failure" in outcome) throw new Error(`${name}: ${outcome.failure}`);
        return { wallNs: outcome.ns, latencyNs: outcome.ns };
      },
    });
    return { contender, stop: () => worker.stop() };
  },
});

interface Program {
  /** What the two paths are appended to. */
  readonly command: Command;
  readonly nothing: Command;
  readonly cost: (command: Command) => Promise<Cost>;
}

const byProgram = (name: string, role: Role, find: () => Promise<Program>): Copier => ({
  name,
  role,
  async setUp({ from, to, ...around }) {
    const { command, nothing, cost } = await find();
    const contender = ending({
      name,
      role,
      amount,
      nothing,
      cost,
      ...around,
      command: (point) => [...command, from(point), to],
    });
    return { contender, stop: async () => {} };
  },
});

const inC = (mechanism: string, name: string) =>
  byProgram(name, "limit", async () => {
    const program = await helper("copy_loop");
    return { command: [program, mechanism], nothing: [program], cost: toldByItself };
  });

export const copiers: readonly Copier[] = [
  inNode(own, "sluice", "auto"),
  inNode(ownWithoutReflink, "sluice", "no-reflink"),
  byProgram(cp, "rival", async () => {
    const [program, nothing] = [needProgram("cp"), [needProgram("cp"), "--version"] as const];
    return { command: [program, "--reflink=never"], nothing, cost: seenWithoutStart(nothing) };
  }),
  inNode(node, "rival", "fs.copyFile"),
  inC("copy_file_range", "C copy_file_range"),
  inC("buffered", "C read + write"),
];

export const moreInFull: readonly Copier[] = [inC("sendfile", "C sendfile")];
