/** Where figures were taken: without it they mean nothing to the next reader. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { arch, cpus, loadavg, release, tmpdir, totalmem, version } from "node:os";
import process from "node:process";
import { promisify } from "node:util";
import { capabilities } from "sluice";
import { inspectInterfaces } from "#cli/interfaces.js";
import type { ReportEnvironment } from "../report/schema.ts";
import { findProgram, findRuntime, versionOf } from "./programs.ts";

const run = promisify(execFile);

/** Name of the filesystem that a folder is on. */
export async function filesystemOf(folder: string): Promise<string> {
  const { stdout } = await run("df", ["--output=fstype", folder]);
  return stdout.trim().split("\n").at(-1) ?? "unknown";
}

function fact(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim().replace(/\s+/g, " ");
  } catch (error) {
    if (error instanceof Error && "code" in error) return undefined;
    throw error;
  }
}

const settings = [
  "net.ipv4.tcp_wmem",
  "net.ipv4.tcp_rmem",
  "net.core.wmem_max",
  "net.core.optmem_max",
  "fs.pipe-max-size",
  "fs.lease-break-time",
  "vm.dirty_ratio",
] as const;

/** Which option makes a program tell its version. */
const programs: Readonly<Record<string, string>> = {
  nginx: "-v",
  haproxy: "-v",
  cp: "--version",
  socat: "-V",
  wrk: "-v",
  cc: "--version",
  perf: "--version",
  strace: "-V",
  java: "-version",
};

async function versions(): Promise<Record<string, string>> {
  const runtimes = await Promise.all(
    (["node", "bun", "deno"] as const).map(
      async (name) =>
        [
          name,
          await findRuntime(name).then(
            (one) => one.version,
            () => undefined,
          ),
        ] as const,
    ),
  );
  const others = await Promise.all(
    Object.entries(programs).map(async ([name, option]) => {
      const path = findProgram(name);
      return [name, path === undefined ? undefined : await versionOf(path, option)] as const;
    }),
  );
  return Object.fromEntries(
    [...runtimes, ...others].flatMap(([name, found]) => (found === undefined ? [] : [[name, found]])),
  );
}

function interfaces(): ReportEnvironment["interfaces"] {
  return inspectInterfaces().map(({ name, features, reason }) => ({
    name,
    ...features,
    ...(reason !== undefined && { unknown: reason }),
  }));
}

/** Processor time of the whole machine so far, in ticks, and how much of it the host gave to others. */
export interface Ticks {
  readonly total: number;
  readonly stolen: number;
}

/** The first line of /proc/stat: "cpu  user nice system idle iowait irq softirq steal guest guest_nice". */
export function parseTicks(stat: string): Ticks {
  // Guests' time is in user and nice already.
  const fields = /^cpu +(.*)$/m.exec(stat)?.[1]?.split(" ").map(Number).slice(0, 8) ?? [];
  return { total: fields.reduce((sum, field) => sum + field, 0), stolen: fields[7] ?? 0 };
}

export function stolenShare(before: Ticks, after: Ticks): number {
  const total = after.total - before.total;
  return total > 0 ? (after.stolen - before.stolen) / total : 0;
}

export const ticks = (): Ticks =>
  parseTicks(fact("/proc/stat") === undefined ? "" : readFileSync("/proc/stat", "utf8"));

/** One-minute load average: anything near the number of cores means that others were at work. */
export const load = (): number => loadavg()[0] ?? Number.NaN;

export async function environment(): Promise<ReportEnvironment> {
  const processors = cpus();
  const folders = [tmpdir(), "/dev/shm"];
  return {
    kernel: `${release()} ${version()}`,
    arch: arch(),
    cpu: processors[0]?.model ?? "unknown",
    cores: processors.length,
    virtual: / hypervisor\b/.test(fact("/proc/cpuinfo") ?? ""),
    memoryBytes: totalmem(),
    engine: capabilities().engine.reason,
    filesystems: await Promise.all(
      folders.map(async (folder) => ({ folder, type: await filesystemOf(folder).catch(() => "not there") })),
    ),
    interfaces: interfaces(),
    versions: await versions(),
    settings: Object.fromEntries(
      settings.flatMap((name) => {
        const value = fact(`/proc/sys/${name.replaceAll(".", "/")}`);
        return value === undefined ? [] : [[name, value]];
      }),
    ),
    privileged: process.getuid?.() === 0,
  };
}

export function describeEnvironment(where: ReportEnvironment): string {
  return [
    `kernel   ${where.kernel}${where.virtual ? ", in a virtual machine" : ""}`,
    `CPU      ${where.cores} × ${where.cpu}, load ${load().toFixed(2)} at the start`,
    `memory   ${(where.memoryBytes / 2 ** 30).toFixed(1)} GiB`,
    `folders  ${where.filesystems.map(({ folder, type }) => `${folder} (${type})`).join(", ")}`,
    `programs ${Object.entries(where.versions)
      .map(([name, found]) => `${name} ${found}`)
      .join(", ")}`,
    `engine   ${where.engine}`,
  ].join("\n");
}
