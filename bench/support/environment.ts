/** Where figures were taken: without it they mean nothing to the next reader. */
import { execFile } from "node:child_process";
import { cpus, loadavg, release, tmpdir, totalmem, version } from "node:os";
import { promisify } from "node:util";
import { capabilities } from "sluice";

const run = promisify(execFile);

export interface Environment {
  readonly kernel: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly node: string;
  readonly temp: { readonly folder: string; readonly filesystem: string };
  /** One-minute load average at the start: anything near the number of cores means that others were at work. */
  readonly load: number;
  readonly engine: string;
}

/** Name of the filesystem that a folder is on. */
export async function filesystemOf(folder: string): Promise<string> {
  const { stdout } = await run("df", ["--output=fstype", folder]);
  return stdout.trim().split("\n").at(-1) ?? "unknown";
}

export async function environment(): Promise<Environment> {
  const processors = cpus();
  return {
    kernel: `${release()} ${version()}`,
    cpu: processors[0]?.model ?? "unknown",
    cores: processors.length,
    memoryBytes: totalmem(),
    node: process.version,
    temp: { folder: tmpdir(), filesystem: await filesystemOf(tmpdir()) },
    load: loadavg()[0] ?? Number.NaN,
    engine: capabilities().engine.reason,
  };
}
