/**
 * A file from one process to another, which writes it to a new file: the three ways of the article, as `sluice ipc` does
 * them and in C. SLUICE_BENCH_IPC_BYTES sets the size; --full takes the article's 1.4 GB.
 */
import { execFile } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Experiment } from "#cli/ipc/experiment.js";
import {
  type Around,
  type Command,
  type RunCost,
  ending,
  seenWithoutStart,
  staying,
  toldByItself,
} from "../support/contenders.ts";
import { assemble, type Contender, contest, type Contested, type Point, type Role } from "../support/contest.ts";
import { filesystemOf } from "../support/environment.ts";
import { isSame, scratchFolder, writePayload } from "../support/files.ts";
import { helper, needProgram } from "../support/programs.ts";
import type { Sample } from "../support/metrics.ts";
import { onEachFilesystem, type Row, section, type Setting, type Suite, ratioRow } from "../support/rows.ts";
import { subjectOf } from "../support/servers.ts";
import { figure, median } from "../support/stats.ts";
import { countedBy } from "../support/syscalls.ts";

const KiB = 1024;
const MiB = 1024 * KiB;

export interface CarryTask {
  readonly from: string;
  readonly to: string;
  /** What belongs before and after each way of the file. */
  readonly around: (name: string) => Around;
  readonly experiment: Experiment;
}

interface Carrier {
  readonly name: string;
  readonly role: Role;
  readonly setUp: (task: CarryTask) => Promise<Contender>;
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

interface CarryProgram {
  readonly command: (from: string, to: string, bytes: number) => Command;
  readonly nothing: Command;
  readonly cost: (command: Command) => Promise<RunCost>;
}

const byProgram = (name: string, role: Role, find: () => Promise<CarryProgram>): Carrier => ({
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

export const carriersAt = (task: CarryTask) =>
  assemble(carriers.map(({ name, role, setUp }) => ({ name, role, setUp: () => setUp(task) })));

/** What the two processes run: `sluice ipc`'s own, with the probe. */
export const program = fileURLToPath(new URL("../subjects/ipc-process.js", import.meta.url));

const run = promisify(execFile);
const [shortBytes, articleBytes] = [256 * 2 ** 20, 1.4e9];

function sizeOf({ full }: Setting): number {
  const told = process.env["SLUICE_BENCH_IPC_BYTES"];
  const bytes = told === undefined ? (full === true ? articleBytes : shortBytes) : Number(told);
  if (!Number.isInteger(bytes) || bytes < 1) throw new Error(`SLUICE_BENCH_IPC_BYTES=${told} is no number of bytes`);
  return bytes;
}

/** Of each contender's runs: whether what arrived is what was sent. */
type Arrivals = ReadonlyMap<string, readonly boolean[]>;

interface Measured extends Contested {
  readonly filesystem: string;
  readonly arrivals: Arrivals;
}

async function measure(parent: string, point: Point, { rounds, progress }: Setting): Promise<Measured> {
  const folder = await scratchFolder(parent, 2.2 * point.bytes);
  const filesystem = await filesystemOf(folder);
  const [from, to] = [join(folder, "from"), join(folder, "to")];
  await writePayload(from, point.bytes);
  const arrivals = new Map<string, boolean[]>();
  const around: CarryTask["around"] = (name) => ({
    async prepare() {
      await rm(to, { force: true });
      await run("sync", ["--file-system", from]);
    },
    async finish() {
      arrivals.set(name, [...(arrivals.get(name) ?? []), isSame(from, to)]);
    },
  });
  using experiment = new Experiment(program);
  const { present, absent } = await carriersAt({ from, to, around, experiment });
  const contested = await contest({
    title: `From process to process, file to file, resident, on ${filesystem}`,
    contenders: present.map(({ made }) => made),
    absent,
    points: [point],
    rounds,
    notes: [
      "Both processes together. Figures of Sluice are of two that stay, from /proc; those of C and cat of two for each way of the file, by getrusage(2) and wait4(2), without their start.",
      await countedBy(),
    ],
    progress,
  });
  await rm(folder, { recursive: true });
  return { ...contested, filesystem, arrivals };
}

/** Contenders in pairs, by their names, with the most that the ratio should be. */
const questions: readonly (readonly [of: string, against: string, target?: number])[] = [
  ["splice", "pipe", 0.65],
  ["ring", "pipe"],
  ["splice", "ring"],
  ["pipe", "C: pipe", 1.1],
  ["ring", "C: ring", 1.1],
  ["splice", "C: splice", 1.1],
  ["splice", "C: pipe, sizes of the article", 0.65],
  ["C: splice", "C: pipe, sizes of the article"],
  ["C: mmap, in step each 256 KiB", outOfStep],
  ["C: mmap, in step each 4 KiB", outOfStep],
  ["C: mmap, in step each 4 KiB", "C: mmap, in step each 256 KiB"],
  ["ring", "C: mmap, in step each 256 KiB"],
];

const tell = (samples: readonly Sample[]) => {
  const of = (value: (sample: Sample) => number) => median(samples.map(value));
  return `${(of(({ wallNs }) => wallNs) / 1e6).toFixed(0)} ms, ${of(({ cpuNs, bytes }) => cpuNs / bytes).toFixed(2)} CPU-s/GB`;
};

function answers({ filesystem, arrivals, ...contested }: Measured, point: Point): Row[] {
  const ratios = questions.map(([of, against, target]) =>
    ratioRow(contested, point, {
      question: `${filesystem}: ${of} / ${against}`,
      of,
      against,
      value: ({ wallNs }) => wallNs,
      tell,
      ...(target !== undefined && { target }),
    }),
  );
  const wrongs = [...arrivals].map(([name, same]): Row => {
    const samples = contested.samples(name, point);
    const switches = samples.map(({ voluntary = NaN, involuntary = NaN }) => voluntary + involuntary);
    return {
      question: `${filesystem}: ${name}: runs in which something else arrived`,
      unit: "%",
      figure: figure([(100 * same.filter((one) => !one).length) / same.length]),
      // The article's own doesn't wait: to get something else is in its nature.
      ...(name !== outOfStep && { target: 0 }),
      detail: `${tell(samples)}, ${median(switches)} context switches`,
    };
  });
  return [...ratios, ...wrongs];
}

export const ipc: Suite = async (setting) => {
  const point: Point = { bytes: sizeOf(setting), cache: "warm" };
  const { contests, rows } = await onEachFilesystem("process to process", async (parent) => {
    const measured = await measure(parent, point, setting);
    return { contest: measured.contest, rows: answers(measured, point) };
  });
  return [...contests, section("… and what follows from it", rows)];
};
