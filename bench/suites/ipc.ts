/**
 * A file from one process to another, which writes it to a new file: the three ways of the article, as `sluice ipc` does
 * them and in C. SLUICE_BENCH_IPC_BYTES sets the size; --full takes the article's 1.4 GB.
 */
import { execFile } from "node:child_process";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { filesystemOf } from "../support/environment.ts";
import { Experiment } from "../support/experiment.ts";
import { helper } from "../support/helpers.ts";
import { writePayload } from "../support/payload.ts";
import { type Row, rowsOrReason, section } from "../support/rows.ts";
import { scratchFolder } from "../support/scratch.ts";
import { alternate, figure, median, pairedRatio } from "../support/stats.ts";
import type { Setting, Suite } from "./suite.ts";

const run = promisify(execFile);
const KiB = 1024;
const MiB = 1024 * KiB;
const [shortBytes, articleBytes] = [256 * MiB, 1.4e9];

function sizeOf({ full }: Setting): number {
  const told = process.env["SLUICE_BENCH_IPC_BYTES"];
  const bytes = told === undefined ? (full === true ? articleBytes : shortBytes) : Number(told);
  if (!Number.isInteger(bytes) || bytes < 1) throw new Error(`SLUICE_BENCH_IPC_BYTES=${told} is no number of bytes`);
  return bytes;
}

/** What one way of the file took, in nanoseconds. */
interface Sample {
  readonly wall: number;
  /** Of both processes. */
  readonly cpu: number;
  /** Context switches; unknown for ours. */
  readonly switches?: number;
  /** Whether what arrived is what was sent. */
  readonly same: boolean;
}

/** In C: the method, what moves at once, what the pipe or the ring holds. The engine's own sizes where they are to be compared. */
const twins = {
  "C: pipe, sizes of the article": ["pipe", 64 * KiB, 0],
  "C: pipe": ["pipe", 256 * KiB, MiB],
  "C: splice": ["splice", MiB, MiB],
  "C: ring": ["ring", 256 * KiB, 4 * MiB],
  "C: mmap, out of step as in the article": ["shared", 0, 0],
  "C: mmap, in step each 256 KiB": ["locked", 256 * KiB, 4 * MiB],
  "C: mmap, in step each 4 KiB": ["locked", 4 * KiB, 4 * MiB],
} as const satisfies Record<string, readonly [string, number, number]>;

const ours = { pipe: "pipe", ring: "ring", splice: "splice" } as const;

type Name = keyof typeof twins | keyof typeof ours;

const isSame = (from: string, to: string) =>
  run("cmp", ["--silent", from, to]).then(
    () => true,
    (error: { code?: unknown }) => {
      if (error.code === 1) return false;
      throw error;
    },
  );

async function inC(program: string, twin: keyof typeof twins, from: string, to: string, bytes: number) {
  const [method, piece, room] = twins[twin];
  const { stdout } = await run(program, [method, from, to, ...[bytes, piece, room].map(String)]);
  const [wall = NaN, cpu = NaN, voluntary = NaN, involuntary = NaN] = stdout.split(" ").map(Number);
  return { wall, cpu, switches: voluntary + involuntary };
}

async function measure(parent: string, bytes: number, { rounds, progress }: Setting) {
  const program = await helper("two_processes");
  const folder = await scratchFolder(parent, 2.2 * bytes);
  const [from, to] = [join(folder, "from"), join(folder, "to")];
  await writePayload(from, bytes);
  using experiment = new Experiment();
  const contender = (move: () => Promise<Omit<Sample, "same">>) => async (): Promise<Sample> => {
    await rm(to, { force: true });
    await run("sync", ["--file-system", from]);
    return { ...(await move()), same: await isSame(from, to) };
  };
  const contenders = Object.fromEntries([
    ...Object.values(ours).map((method) => [
      method,
      contender(async () => {
        const { ns, sender, receiver } = await experiment.run(method, from, to);
        return { wall: ns, cpu: sender.cpuNs + receiver.cpuNs };
      }),
    ]),
    ...(Object.keys(twins) as (keyof typeof twins)[]).map((name) => [
      name,
      contender(() => inC(program, name, from, to, bytes)),
    ]),
  ]) as Record<Name, () => Promise<Sample>>;
  const where = await filesystemOf(folder);
  await alternate(contenders, 1, (name) => progress(`ipc on ${where}: ${name}, to warm up`));
  const samples = await alternate(contenders, rounds, (name, round) =>
    progress(`ipc on ${where}: ${name}, round ${round + 1}`),
  );
  await rm(folder, { recursive: true });
  return { where, samples };
}

async function against(parent: string, bytes: number, setting: Setting): Promise<Row[]> {
  const { where, samples } = await measure(parent, bytes, setting);
  const walls = (name: Name) => samples[name].map(({ wall }) => wall);
  const told = (name: Name) => {
    const cpu = median(samples[name].map((sample) => sample.cpu)) / bytes;
    return `${(median(walls(name)) / 1e6).toFixed(0)} ms, ${cpu.toFixed(2)} CPU-s/GB`;
  };
  const ratio = (name: Name, base: Name, target?: number): Row => ({
    question: `${where}: ${name} / ${base}`,
    unit: "×",
    figure: pairedRatio(walls(name), walls(base)),
    ...(target !== undefined && { target }),
    detail: `${told(name)}; ${told(base)}`,
  });
  const arrivals = (Object.keys(samples) as Name[]).map((name): Row => {
    const wrongs = samples[name].filter(({ same }) => !same).length;
    const switches = median(samples[name].map((sample) => sample.switches ?? NaN));
    return {
      question: `${where}: ${name}: runs in which something else arrived`,
      unit: "%",
      figure: figure([(100 * wrongs) / samples[name].length]),
      // The article's own waits for nobody: to get something else is in its nature.
      ...(name !== "C: mmap, out of step as in the article" && { target: 0 }),
      detail: `${told(name)}${Number.isNaN(switches) ? "" : `, ${switches} context switches`}`,
    };
  });
  const article = "C: mmap, out of step as in the article";
  return [
    ratio("splice", "pipe", 0.65),
    ratio("ring", "pipe"),
    ratio("splice", "ring"),
    ratio("pipe", "C: pipe", 1.1),
    ratio("ring", "C: ring", 1.1),
    ratio("splice", "C: splice", 1.1),
    ratio("splice", "C: pipe, sizes of the article", 0.65),
    ratio("C: splice", "C: pipe, sizes of the article"),
    ratio("C: mmap, in step each 256 KiB", article),
    ratio("C: mmap, in step each 4 KiB", article),
    ratio("C: mmap, in step each 4 KiB", "C: mmap, in step each 256 KiB"),
    ratio("ring", "C: mmap, in step each 256 KiB"),
    ...arrivals,
  ];
}

export const ipc: Suite = async (setting) => {
  const bytes = sizeOf(setting);
  const rows: Row[] = [];
  for (const parent of [tmpdir(), "/dev/shm"])
    rows.push(...(await rowsOrReason(`process to process in ${parent}`, () => against(parent, bytes, setting))));
  return [section(`${(bytes / 1e9).toFixed(2)} GB, resident, from process to process, file to file`, rows)];
};
