/** Tasks without a socket: a file read as memory or into memory, and reflinks. */
import { execFile } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { writePayload } from "../support/files.ts";

export interface MapInput {
  readonly file: string;
  /** `mapped` is map().bytes; `buffer` is an ArrayBuffer of the runtime's own, filled by readFileSync. */
  readonly memory: "mapped" | "buffer";
  readonly work: keyof typeof works;
}

export interface MapOutput {
  readonly ns: number;
  /** Memory of this process alone: pages of the page cache are shared. */
  readonly ownBytes: number;
  readonly rssBytes: number;
}

const reads = 2 ** 25;

/** The same xorshift sequence in every run; the sum keeps the reads from being left out. */
function readAtRandom(bytes: Uint8Array): number {
  const mask = 2 ** Math.floor(Math.log2(bytes.length)) - 1;
  let [state, sum] = [88_172_645, 0];
  for (let i = 0; i < reads; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    sum = (sum + (bytes[state & mask] ?? 0)) | 0;
  }
  return sum;
}

function scan(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i++) sum = (sum + (bytes[i] ?? 0)) | 0;
  return sum;
}

const works = {
  /** Per read, every page having been touched before. */
  random: readAtRandom,
  /** All of it once, from the opening on. */
  scan,
  /** Per map() and close(), without a byte being read. */
  open: () => 0,
} as const;

async function openMemory({ file, memory }: MapInput): Promise<Uint8Array> {
  const { map } = await import("sluice");
  return memory === "mapped" ? map(file).bytes : readFileSync(file);
}

function statusBytes(name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(readFileSync("/proc/self/status", "utf8"))?.[1]) * 1024;
}

function measured(work: () => unknown): MapOutput {
  const start = process.hrtime.bigint();
  work();
  const ns = Number(process.hrtime.bigint() - start);
  return { ns, ownBytes: statusBytes("RssAnon"), rssBytes: statusBytes("VmRSS") };
}

/**
 * On other bytes, so that neither contender is measured in the interpreter, nor in the code that V8 puts in its place in
 * the middle of a loop: what that had seen of a mapping so far made each read five times as dear.
 */
function compile(work: (bytes: Uint8Array) => number): void {
  const bytes = new Uint8Array(2 ** 24);
  for (let round = 0; round < 4; round++) work(bytes);
}

async function measureOpening(file: string): Promise<MapOutput> {
  const { map } = await import("sluice");
  const fd = openSync(file, "r");
  const times = 5000;
  const open = () => {
    for (let i = 0; i < times; i++) map(fd).close();
  };
  open();
  const output = measured(open);
  closeSync(fd);
  return { ...output, ns: output.ns / times };
}

export async function mapFile(input: MapInput): Promise<MapOutput> {
  if (input.work === "open") return measureOpening(input.file);
  const work = works[input.work];
  compile(work);
  if (input.work === "scan") {
    const { map: load } = await import("sluice");
    return measured(() => work(input.memory === "mapped" ? load(input.file).bytes : readFileSync(input.file)));
  }
  const bytes = await openMemory(input);
  scan(bytes);
  const output = measured(() => work(bytes));
  return { ...output, ns: output.ns / reads };
}

const run = promisify(execFile);

export interface ReflinkInput {
  readonly image: string;
  readonly mountPoint: string;
  readonly sizes: readonly number[];
  readonly rounds: number;
}

/** Wall-clock nanoseconds of each round's copyFile({ reflink: "always" }), by size. The namespace takes the mount with it. */
export async function reflink({ image, mountPoint, sizes, rounds }: ReflinkInput): Promise<number[][]> {
  const { copyFile } = await import("sluice");
  await run("mount", ["-o", "loop", image, mountPoint]);
  for (const bytes of sizes) await writePayload(join(mountPoint, String(bytes)), bytes);
  await run("sync", ["--file-system", mountPoint]);
  const times = sizes.map((): number[] => []);
  // Round 0 loads the library and is not counted.
  for (let round = 0; round <= rounds; round++)
    for (const [index, bytes] of sizes.entries()) {
      const start = process.hrtime.bigint();
      await copyFile(join(mountPoint, String(bytes)), join(mountPoint, `${bytes}.copy`), { reflink: "always" });
      const timeNs = Number(process.hrtime.bigint() - start);
      if (round > 0) times[index]?.push(timeNs);
    }
  await run("umount", [mountPoint]);
  return times;
}
