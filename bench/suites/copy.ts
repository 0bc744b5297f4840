/** One large file to another: wall-clock time of copyFile() beside cp, and of a reflink beside a small one. */
import { execFile } from "node:child_process";
import { mkdir, copyFile as nodeCopyFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { copyFile } from "sluice";
import { filesystemOf } from "../support/environment.ts";
import { Unavailable } from "../support/helpers.ts";
import { writePayload } from "../support/payload.ts";
import { type Row, rowsOrReason, section } from "../support/rows.ts";
import { scratchFolder } from "../support/scratch.ts";
import { alternate, figure, median, pairedRatio } from "../support/stats.ts";
import { runTask } from "../support/task.ts";
import type { Suite } from "./suite.ts";

const run = promisify(execFile);
const bytes = 2 ** 30;
const mebibyte = 2 ** 20;
const cp = "cp --reflink=never";

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = process.hrtime.bigint();
  await work();
  return Number(process.hrtime.bigint() - start) / 1e6;
}

/** What starting cp takes by itself, so that it isn't held against it. */
async function startOfCp(): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < 20; i++) times.push(await timed(() => run("cp", ["--version"])));
  return median(times);
}

async function againstCp(parent: string, rounds: number, progress: (text: string) => void): Promise<Row[]> {
  const folder = await scratchFolder(parent, 2 * bytes + 64 * mebibyte);
  const [from, to] = [join(folder, "from"), join(folder, "to")];
  const filesystem = await filesystemOf(folder);
  await writePayload(from, bytes);
  const cpStartMs = await startOfCp();
  /** Each copy goes to a new file, is compared with the source, and is gone before the next begins. */
  const contender =
    (copy: () => Promise<unknown>, deductMs = 0) =>
    async () => {
      await run("sync", ["--file-system", from]);
      const timeMs = (await timed(copy)) - deductMs;
      await run("cmp", ["--silent", from, to]);
      await rm(to);
      return timeMs;
    };
  const contenders = {
    "copyFile()": contender(() => copyFile(from, to)),
    'copyFile({ reflink: "never" })': contender(() => copyFile(from, to, { reflink: "never" })),
    [cp]: contender(() => run("cp", ["--reflink=never", from, to]), cpStartMs),
    "fs.copyFile()": contender(() => nodeCopyFile(from, to)),
  };
  // A virtual machine's memory may be slow at its first touch: nobody's fault, so nobody's figure.
  await alternate(contenders, 1, (name) => progress(`1 GiB on ${filesystem}: ${name}, to warm up`));
  const times = await alternate(contenders, rounds, (name, round) =>
    progress(`1 GiB on ${filesystem}: ${name}, round ${round + 1}`),
  );
  await rm(folder, { recursive: true });
  type Name = keyof typeof times;
  const told = (name: Name) => `${median(times[name]).toFixed(0)} ms`;
  const against = (name: Name, base: Name, target?: number): Row => ({
    question: `${filesystem}: ${name} / ${base}`,
    unit: "×",
    figure: pairedRatio(times[name], times[base]),
    ...(target !== undefined && { target }),
    detail: `${told(name)}; ${told(base)}${base === cp ? `, without the ${cpStartMs.toFixed(1)} ms of its start` : ""}`,
  });
  return [
    against("copyFile()", cp, 1.05),
    against('copyFile({ reflink: "never" })', cp, 1.05),
    against("copyFile()", "fs.copyFile()"),
  ];
}

const formatters = [
  ["mkfs.btrfs", "--quiet"],
  ["mkfs.xfs", "-q", "-m", "reflink=1"],
] as const;

/** An image with a filesystem that can share blocks. */
async function reflinkImage(image: string): Promise<string> {
  if (process.getuid?.() !== 0) throw new Unavailable("mounting an image takes root");
  await writeFile(image, "");
  await truncate(image, 3 * bytes);
  for (const [command, ...args] of formatters) {
    const made = await run(command, [...args, image]).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return false;
        throw error;
      },
    );
    if (made) return command.slice("mkfs.".length);
  }
  throw new Unavailable("neither mkfs.btrfs nor mkfs.xfs is installed");
}

async function reflinks(rounds: number, progress: (text: string) => void): Promise<Row[]> {
  const folder = await scratchFolder(tmpdir(), 2 * bytes);
  const image = join(folder, "image");
  const filesystem = await reflinkImage(image);
  progress(`reflinks on ${filesystem}`);
  const mountPoint = join(folder, "mounted");
  await mkdir(mountPoint);
  // Root may still lack CAP_SYS_ADMIN or loop devices: in a container, say. The mount goes with its namespace.
  await run("unshare", ["--mount", "mount", "-o", "loop", image, mountPoint]).catch((cause: Error) => {
    throw new Unavailable(`mounting an image is not possible: ${cause.message.trim().split("\n").at(-1)}`, { cause });
  });
  const input = { image, mountPoint, sizes: [mebibyte, bytes], rounds };
  const [small = [], large = []] = await runTask("reflink", input, {
    launcher: { command: "unshare", args: ["--mount", process.execPath] },
  });
  await rm(folder, { recursive: true });
  return [
    {
      question: `${filesystem}: reflink of 1 GiB / of 1 MiB`,
      unit: "×",
      figure: pairedRatio(large, small),
      target: 2,
      detail: `1 GiB ${figure(large.map((ns) => ns / 1e6)).median.toFixed(2)} ms; 1 MiB ${figure(small.map((ns) => ns / 1e6)).median.toFixed(2)} ms`,
    },
  ];
}

export const copy: Suite = async ({ rounds, progress }) => {
  const rows: Row[] = [];
  for (const parent of [tmpdir(), "/dev/shm"])
    rows.push(...(await rowsOrReason(`copyFile() / cp in ${parent}`, () => againstCp(parent, rounds, progress))));
  rows.push(...(await rowsOrReason("reflink of 1 GiB / of 1 MiB", () => reflinks(rounds, progress))));
  return [section("1 GiB, resident, file to file", rows)];
};
