/** Files that are not in memory, and disks that are slow. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { helper, start, Unavailable } from "./programs.ts";

/** Writes what is dirty of a file and drops all of it from the page cache. Answers how much is still there, 0 to 1. */
export async function evict(file: string): Promise<number> {
  const output = await start(await helper("residency"), ["--evict", file]).output;
  const [resident = Number.NaN, pages = Number.NaN] = output.trim().split(" ").map(Number);
  return pages === 0 ? 0 : resident / pages;
}

const dropCaches = "/proc/sys/vm/drop_caches";

/** Pages that are still on their way through a socket stay until they have been acknowledged. */
const patience = 40;
const retryMs = 25;
const mostResident = 0.01;

/**
 * The same, and it has to work: what posix_fadvise(2) leaves behind for long, root drops with all other clean pages
 * of the machine.
 *
 * @throws Unavailable when pages stay whatever is done
 */
export async function makeCold(file: string): Promise<void> {
  let left = await evict(file);
  for (let tries = 0; tries < patience && left > 0; tries++) {
    if (tries > patience / 2 && process.getuid?.() === 0) writeFileSync(dropCaches, "1");
    await sleep(retryMs);
    left = await evict(file);
  }
  if (left > mostResident) throw new Unavailable(`${(left * 100).toFixed(0)} % of the file stay in memory`);
}

/** "254:0" of the disk that a file is on: the whole disk, for limits know no partitions. */
export function diskOf(file: string): string {
  const { dev } = statSync(file);
  const id = `${(dev >> 8) & 0xfff}:${(dev & 0xff) | ((dev >> 12) & 0xfff00)}`;
  const folder = `/sys/dev/block/${id}`;
  if (!existsSync(folder)) throw new Unavailable(`${file} is on no disk: device ${id}`);
  return existsSync(join(folder, "partition")) ? readFileSync(join(folder, "../dev"), "utf8").trim() : id;
}

export interface SlowDisk {
  /** Puts a process and what it starts from now on under the limit. */
  readonly slow: (pid: number) => void;
  /** After the processes have ended. */
  readonly remove: () => void;
}

interface Limiter {
  readonly folder: string;
  readonly file: string;
  readonly line: (disk: string, bytesPerSecond: number) => string;
}

/** The two generations of the kernel's interface; the first also where the second is mounted for other things. */
const limiters: readonly Limiter[] = [
  {
    folder: "/sys/fs/cgroup/blkio",
    file: "blkio.throttle.read_bps_device",
    line: (disk, rate) => `${disk} ${rate}`,
  },
  { folder: "/sys/fs/cgroup", file: "io.max", line: (disk, rate) => `${disk} rbps=${rate}` },
];

/**
 * A control group that reads no faster than so from the disk that a file is on (blkio.throttle or io.max).
 *
 * @throws Unavailable where none can be made
 */
export function slowDisk(file: string, bytesPerSecond: number): SlowDisk {
  if (process.getuid?.() !== 0) throw new Unavailable("limiting a disk takes root");
  const disk = diskOf(file);
  for (const limiter of limiters) {
    if (!existsSync(limiter.folder)) continue;
    const group = join(limiter.folder, `sluice-bench-${process.pid}`);
    try {
      mkdirSync(group);
      if (!existsSync(join(group, limiter.file))) {
        rmdirSync(group);
        continue;
      }
      writeFileSync(join(group, limiter.file), limiter.line(disk, bytesPerSecond));
    } catch (error) {
      throw new Unavailable(`no control group can limit disk ${disk}: ${String(error)}`, { cause: error });
    }
    return {
      slow: (pid) => writeFileSync(join(group, "cgroup.procs"), String(pid)),
      remove: () => rmdirSync(group),
    };
  }
  throw new Unavailable("no control group here can limit a disk");
}
