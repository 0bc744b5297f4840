/** Who copies a file: Node by itself and with Sluice, each in a process that stays; cp and loops in C, a process for each copy. */
import { rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Contender, Point, Role } from "../support/contest.ts";
import { type Cost, type Command, ending, seenWithoutStart, toldByItself } from "../support/ending.ts";
import { helper, start } from "../support/helpers.ts";
import { needProgram } from "../support/programs.ts";
import { type Around, staying, type Times } from "../support/staying.ts";
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

/**
 * The same copy is made once before, unmeasured, for its pages to be those that the next one gets. A virtual machine's
 * memory is slow at its first touch, which would fall on whoever takes pages of another size than those before it.
 */
function touched({ from, to, prepare, finish }: Place, copy: (from: string, to: string) => Promise<unknown>): Around {
  return {
    async prepare(point) {
      await copy(from(point), to);
      await rm(to);
      await prepare?.(point);
    },
    ...(finish && { finish }),
  };
}

const amount = ({ bytes }: Point) => ({ bytes, requests: 1 });
const script = fileURLToPath(new URL("copier.js", import.meta.url));

const inNode = (name: string, role: Role, way: string): Copier => ({
  name,
  role,
  async setUp(place) {
    const worker = startWorker<Order, Outcome>(script, [way]);
    async function copy(from: string, to: string): Promise<Times> {
      const outcome = await worker.tell({ from, to });
      if ("failure" in outcome) throw new Error(`${name}: ${outcome.failure}`);
      return { wallNs: outcome.ns, latencyNs: outcome.ns };
    }
    const contender = staying({
      name,
      role,
      amount,
      ...touched(place, copy),
      subjects: [worker],
      work: (point) => copy(place.from(point), place.to),
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
  async setUp(place) {
    const { command, nothing, cost } = await find();
    const [program, ...options] = command;
    const contender = ending({
      name,
      role,
      amount,
      nothing,
      cost,
      ...touched(place, (from, to) => start(program, [...options, from, to]).output),
      command: (point) => [...command, place.from(point), place.to],
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
