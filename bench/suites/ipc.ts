/**
 * A file from one process to another, which writes it to a new file: the three ways of the article, as `sluice ipc` does
 * them and in C. SLUICE_BENCH_IPC_BYTES sets the size; --full takes the article's 1.4 GB.
 */
import { execFile } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { carriersAt, outOfStep, type Place, program } from "../ipc/contenders.ts";
import { contest, type Contested, type Point } from "../support/contest.ts";
import { filesystemOf } from "../support/environment.ts";
import { Experiment } from "../support/experiment.ts";
import { onEachFilesystem } from "../support/filesystems.ts";
import { writePayload } from "../support/payload.ts";
import { type Row, section } from "../support/rows.ts";
import { isSame } from "../support/same.ts";
import { scratchFolder } from "../support/scratch.ts";
import { figure, median, pairedRatio } from "../support/stats.ts";
import { countedBy } from "../support/syscalls.ts";
import type { Setting, Suite } from "./suite.ts";

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
  const around: Place["around"] = (name) => ({
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

/** Contenders in pairs, by their names in ../ipc/contenders.ts, with the most that the ratio should be. */
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

function answers({ contest: { absent }, samples, filesystem, arrivals }: Measured, point: Point): Row[] {
  const walls = (name: string) => samples(name, point).map(({ wallNs }) => wallNs);
  const told = (name: string) => {
    const cpu = median(samples(name, point).map(({ cpuNs }) => cpuNs)) / point.bytes;
    return `${(median(walls(name)) / 1e6).toFixed(0)} ms, ${cpu.toFixed(2)} CPU-s/GB`;
  };
  const ratios = questions.map(([of, against, target]): Row => {
    const row = {
      question: `${filesystem}: ${of} / ${against}`,
      unit: "×",
      ...(target !== undefined && { target }),
    };
    const skipped = absent.find(({ name }) => name === of || name === against)?.reason;
    if (skipped !== undefined) return { ...row, skipped };
    return { ...row, figure: pairedRatio(walls(of), walls(against)), detail: `${told(of)}; ${told(against)}` };
  });
  const wrongs = [...arrivals].map(([name, same]): Row => {
    const switches = samples(name, point).map(({ voluntary = NaN, involuntary = NaN }) => voluntary + involuntary);
    return {
      question: `${filesystem}: ${name}: runs in which something else arrived`,
      unit: "%",
      figure: figure([(100 * same.filter((one) => !one).length) / same.length]),
      // The article's own waits for nobody: to get something else is in its nature.
      ...(name !== outOfStep && { target: 0 }),
      detail: `${told(name)}, ${median(switches)} context switches`,
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
