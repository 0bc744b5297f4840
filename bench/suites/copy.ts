/** One large file to another: copyFile() beside cp, Node and loops in C; and a reflink beside a small one. */
import { execFile } from "node:child_process";
import { mkdir, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { CopyOrder, CopyOutcome } from "../subjects/copier.ts";
import {
  type Around,
  type Command,
  type RunCost,
  ending,
  seenWithoutStart,
  staying,
  type Times,
  toldByItself,
} from "../support/contenders.ts";
import { assemble, type Contender, contest, type Contested, type Point, type Role } from "../support/contest.ts";
import { filesystemOf } from "../support/environment.ts";
import { isSame, roomIn, scratchFolder, writePayload } from "../support/files.ts";
import { helper, needProgram, start, Unavailable } from "../support/programs.ts";
import {
  onEachFilesystem,
  type Row,
  rowsOrReason,
  section,
  type Setting,
  type Suite,
  ratioRow,
} from "../support/rows.ts";
import { startWorker } from "../support/servers.ts";
import { figure, median, pairedRatio } from "../support/stats.ts";
import { countedBy } from "../support/syscalls.ts";
import { runTask } from "../support/task.ts";

export const own = "copyFile()";
export const ownWithoutReflink = 'copyFile({ reflink: "never" })';
export const cp = "cp --reflink=never";
export const node = "fs.copyFile()";

/** What is copied and where to, and what belongs before and after it. */
export interface CopyTask extends Around {
  readonly from: (point: Point) => string;
  readonly to: string;
}

export interface Copier {
  readonly name: string;
  readonly role: Role;
  readonly setUp: (task: CopyTask) => Promise<{ readonly contender: Contender; readonly stop: () => Promise<void> }>;
}

/**
 * The same copy is made once before, unmeasured, for its pages to be those that the next one gets. A virtual machine's
 * memory is slow at its first touch, which would fall on the contender that takes pages of another size than those before it.
 */
function touched(
  { from, to, prepare, finish }: CopyTask,
  copy: (from: string, to: string) => Promise<unknown>,
): Around {
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
const script = fileURLToPath(new URL("../subjects/copier.js", import.meta.url));

const inNode = (name: string, role: Role, way: string): Copier => ({
  name,
  role,
  async setUp(task) {
    const worker = startWorker<CopyOrder, CopyOutcome>(script, [way]);
    async function copy(from: string, to: string): Promise<Times> {
      const outcome = await worker.tell({ from, to });
      if ("failure" in outcome) throw new Error(`${name}: ${outcome.failure}`);
      return { wallNs: outcome.ns, latencyNs: outcome.ns };
    }
    const contender = staying({
      name,
      role,
      amount,
      ...touched(task, copy),
      subjects: [worker],
      work: (point) => copy(task.from(point), task.to),
    });
    return { contender, stop: () => worker.stop() };
  },
});

interface CopyProgram {
  /** What the two paths are appended to. */
  readonly command: Command;
  readonly nothing: Command;
  readonly cost: (command: Command) => Promise<RunCost>;
}

const byProgram = (name: string, role: Role, find: () => Promise<CopyProgram>): Copier => ({
  name,
  role,
  async setUp(task) {
    const { command, nothing, cost } = await find();
    const [program, ...options] = command;
    const contender = ending({
      name,
      role,
      amount,
      nothing,
      cost,
      ...touched(task, (from, to) => start(program, [...options, from, to]).output),
      command: (point) => [...command, task.from(point), task.to],
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

const run = promisify(execFile);
const mebibyte = 2 ** 20;
const gibibyte = 2 ** 30;

const sizes = [64 * mebibyte, gibibyte];
const sizesInFull = [...sizes, 4 * gibibyte];
/** The size that the questions are about. */
const asked: Point = { bytes: gibibyte, cache: "warm" };

/** Files of all sizes, and the largest once more. */
const roomFor = (bytes: readonly number[]) =>
  bytes.reduce((sum, one) => sum + one, 0) + Math.max(...bytes) + 64 * mebibyte;

/** All but the largest, where that doesn't find room. */
async function sizesFor(parent: string, full: boolean): Promise<readonly number[]> {
  return full && (await roomIn(parent)) >= roomFor(sizesInFull) ? sizesInFull : sizes;
}

async function copies(parent: string, { rounds, full = false, progress }: Setting): Promise<Contested> {
  const chosen = await sizesFor(parent, full);
  const folder = await scratchFolder(parent, roomFor(chosen));
  const filesystem = await filesystemOf(folder);
  const from = ({ bytes }: Point) => join(folder, String(bytes));
  const to = join(folder, "to");
  const points = chosen.map((bytes): Point => ({ bytes, cache: "warm" }));
  for (const point of points) await writePayload(from(point), point.bytes);
  const task: CopyTask = {
    from,
    to,
    prepare: async () => void (await run("sync", ["--file-system", folder])),
    /** Each copy goes to a new file, is compared with the source, and is gone before the next begins. */
    async finish(point) {
      if (!isSame(from(point), to)) throw new Error(`${to} is no copy of ${from(point)}`);
      await rm(to);
    },
  };
  const { present, absent } = await assemble(
    [...copiers, ...(full ? moreInFull : [])].map(({ name, role, setUp }) => ({
      name,
      role,
      setUp: () => setUp(task),
    })),
  );
  try {
    return await contest({
      title: `File to file, resident, on ${filesystem}`,
      contenders: present.map(({ made }) => made.contender),
      absent,
      points,
      rounds,
      notes: [
        "To a new file each time, which is compared with the source and removed. What starting cp takes (cp --version, the median of five before each copy) is deducted; the loops in C measure themselves.",
        "Figures of Node are of a process that stays, from /proc; those of cp and of C of a process for each copy, by wait4(2) and getrusage(2).",
        await countedBy(),
      ],
      progress,
    });
  } finally {
    await Promise.all(present.map(({ made }) => made.stop()));
    await rm(folder, { recursive: true });
  }
}

function answers(filesystem: string, contested: Contested): Row[] {
  const against = (of: string, base: string, bounds: { target?: number } = {}): Row =>
    ratioRow(contested, asked, {
      question: `${filesystem}: ${of} / ${base}`,
      of,
      against: base,
      value: ({ wallNs }) => wallNs,
      tell: (samples, name) =>
        `${(median(samples.map(({ wallNs }) => wallNs)) / 1e6).toFixed(0)} ms${name === cp ? ", without its start" : ""}`,
      ...bounds,
    });
  return [against(own, cp, { target: 1.05 }), against(ownWithoutReflink, cp, { target: 1.05 }), against(own, node)];
}

const formatters = [
  ["mkfs.btrfs", "--quiet"],
  ["mkfs.xfs", "-q", "-m", "reflink=1"],
] as const;

/** An image with a filesystem that can share blocks. */
async function reflinkImage(image: string): Promise<string> {
  if (process.getuid?.() !== 0) throw new Unavailable("mounting an image takes root");
  await writeFile(image, "");
  await truncate(image, 3 * gibibyte);
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
  const folder = await scratchFolder(tmpdir(), 2 * gibibyte);
  const image = join(folder, "image");
  const filesystem = await reflinkImage(image);
  progress(`reflinks on ${filesystem}`);
  const mountPoint = join(folder, "mounted");
  await mkdir(mountPoint);
  // Root may still lack CAP_SYS_ADMIN or loop devices: in a container, say. The mount goes with its namespace.
  await run("unshare", ["--mount", "mount", "-o", "loop", image, mountPoint]).catch((cause: Error) => {
    throw new Unavailable(`mounting an image is not possible: ${cause.message.trim().split("\n").at(-1)}`, { cause });
  });
  const input = { image, mountPoint, sizes: [mebibyte, gibibyte], rounds };
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

export const copy: Suite = async (setting) => {
  const { contests, rows } = await onEachFilesystem("copyFile() / cp", async (parent) => {
    const contested = await copies(parent, setting);
    return { contest: contested.contest, rows: answers(await filesystemOf(parent), contested) };
  });
  const shared = await rowsOrReason("reflink of 1 GiB / of 1 MiB", () => reflinks(setting.rounds, setting.progress));
  return [...contests, section("… and what follows from it, for 1 GiB", [...rows, ...shared])];
};
