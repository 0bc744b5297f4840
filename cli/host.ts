/** Facts about the machine: kernel, runtime, limits, io_uring, network interfaces. */
import { readdirSync, readFileSync } from "node:fs";
import { arch, release, type as systemName } from "node:os";
import process from "node:process";
import type { Capability } from "../core/plan/capabilities.ts";

export interface System {
  /** Such as "Linux 6.18.5". */
  readonly kernel: string;
  readonly arch: string;
  readonly runtime: { readonly name: string; readonly version: string };
  /** Versions of what the runtime is made of. */
  readonly versions: Readonly<Record<string, string>>;
}

/** Parts of the runtime that matter to a transfer. */
const parts = ["v8", "uv", "napi"] as const;

export function readSystem(): System {
  const { versions } = process;
  const name = (["bun", "deno", "node"] as const).find((runtime) => versions[runtime] !== undefined) ?? "node";
  return {
    kernel: `${systemName()} ${release()}`,
    arch: arch(),
    runtime: { name, version: versions[name] ?? "" },
    versions: Object.fromEntries(parts.map((part) => [part, versions[part] ?? ""])),
  };
}

/** A file of /proc or /sys without its line break; undefined where it isn't there or may not be read. */
function readFact(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch (error) {
    if (error instanceof Error && "code" in error) return undefined;
    throw error;
  }
}

function readNumber(path: string): number | undefined {
  const text = readFact(path);
  return text === undefined ? undefined : Number(text);
}

/** Undefined where the kernel doesn't tell. */
export interface Limits {
  /** Seconds that a lease's holder has before the kernel takes it back. */
  readonly leaseBreakTimeS: number | undefined;
  /** Bytes to which a pipe may be enlarged without CAP_SYS_RESOURCE. */
  readonly pipeMaxSizeBytes: number | undefined;
  /** Pages in all pipes of a user before new ones shrink to one page, and before none can be made; 0 is no limit. */
  readonly pipeUserPagesSoft: number | undefined;
  readonly pipeUserPagesHard: number | undefined;
  /** Open files of the whole system. */
  readonly fileMax: number | undefined;
  /** Open files of this process. */
  readonly openFilesSoft: number | "unlimited" | undefined;
  readonly openFilesHard: number | "unlimited" | undefined;
}

export function readLimits(): Limits {
  const [, soft, hard] = /^Max open files\s+(\S+)\s+(\S+)/m.exec(readFact("/proc/self/limits") ?? "") ?? [];
  return {
    leaseBreakTimeS: readNumber("/proc/sys/fs/lease-break-time"),
    pipeMaxSizeBytes: readNumber("/proc/sys/fs/pipe-max-size"),
    pipeUserPagesSoft: readNumber("/proc/sys/fs/pipe-user-pages-soft"),
    pipeUserPagesHard: readNumber("/proc/sys/fs/pipe-user-pages-hard"),
    fileMax: readNumber("/proc/sys/fs/file-max"),
    openFilesSoft: limitOf(soft),
    openFilesHard: limitOf(hard),
  };
}

function limitOf(text: string | undefined): Limits["openFilesSoft"] {
  if (text === undefined) return undefined;
  return text === "unlimited" ? text : Number(text);
}

/** By the values of kernel.io_uring_disabled (Linux 6.6). */
const ioUringStates: Readonly<Record<string, Capability>> = {
  "0": { ability: "yes", reason: "kernel.io_uring_disabled is 0: every process may use it" },
  "1": { ability: "unknown", reason: "kernel.io_uring_disabled is 1: only with privileges or in its group" },
  "2": { ability: "no", reason: "kernel.io_uring_disabled is 2: nobody may use it" },
};

export function readIoUring(): Capability {
  const state = readFact("/proc/sys/kernel/io_uring_disabled");
  const without = {
    ability: "unknown",
    reason: "kernel.io_uring_disabled is not there: older than Linux 6.6, or built without",
  } as const;
  return (state === undefined ? undefined : ioUringStates[state]) ?? without;
}

/** Names of the network interfaces, whether up or not. */
export function interfaceNames(): readonly string[] {
  try {
    return readdirSync("/sys/class/net");
  } catch (error) {
    if (error instanceof Error && "code" in error) return [];
    throw error;
  }
}
