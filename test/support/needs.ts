/** What a test may need of the machine and the runtime, by name, each found out in the process that runs the test. */
import { spawnSync } from "node:child_process";
import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { networkInterfaces, tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import process from "node:process";
import { withoutFuse } from "./fuse.ts";
import { tempFolder } from "./temp.ts";

/** Why the need is not met here, or undefined where it is. */
type Probe = () => string | undefined | Promise<string | undefined>;

const isRoot: Probe = () => (process.getuid?.() === 0 ? undefined : "not running as root");

function mountable(type: "btrfs" | "xfs"): Probe {
  return async () => {
    const known = readFileSync("/proc/filesystems", "utf8").split("\n");
    if (!known.some((line) => line.trim() === type)) return `this kernel has no ${type}`;
    return (await isRoot()) ?? missingProgram(`mkfs.${type}`);
  };
}

function missingProgram(name: string): string | undefined {
  if (name.includes("/")) return isExecutable(name) ? undefined : `there is no ${name}`;
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  return folders.some((folder) => isExecutable(join(folder, name))) ? undefined : `there is no ${name} program`;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function otherDevice(): string | undefined {
  try {
    return statSync("/dev/shm").dev === statSync(tmpdir()).dev
      ? "/dev/shm and the temporary folder are one"
      : undefined;
  } catch (error) {
    return `/dev/shm: ${String(error)}`;
  }
}

const compilers = (): readonly string[] => {
  const chosen = process.env["CC"]?.split(" ")[0];
  return chosen === undefined || chosen === "" ? ["cc", "gcc", "clang"] : [chosen];
};

/** The command line of a C compiler, its first word and the rest; a test asks for the need `compiler` first. */
export function compiler(): readonly [string, ...string[]] {
  const [chosen = "cc", ...flags] = process.env["CC"]?.split(/\s+/).filter(Boolean) ?? [];
  const found = chosen === "cc" ? compilers().find((name) => missingProgram(name) === undefined) : chosen;
  return [found ?? chosen, ...flags];
}

export const needs = {
  /** The native engine is loaded. */
  engine: async () => {
    const { capabilities } = await import("sluice");
    const { engine } = capabilities();
    return engine.available ? undefined : engine.reason;
  },
  root: isRoot,
  /** The runtime leaves a connection alone that is not read: a test may take its descriptor from under it. */
  stillSockets: () => {
    const { bun, deno } = process.versions;
    return bun === undefined && deno === undefined ? undefined : "Bun and Deno read, or close, sockets by themselves";
  },
  /** A loopback address of IPv6. */
  ipv6: () =>
    Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === "::1"))
      ? undefined
      : "there is no ::1",
  /** /proc is mounted. */
  proc: () => (isExecutable("/proc/self") ? undefined : "/proc is not mounted"),
  /** /dev/shm is another filesystem than the temporary folder. */
  tmpfs: otherDevice,
  /** The temporary folder is on a filesystem that takes no file of nearly 2^53 bytes, as ext4. */
  largestFile: () => {
    const path = join(tempFolder(), "large");
    const { status } = spawnSync("truncate", ["--size", String(Number.MAX_SAFE_INTEGER - 100), path]);
    return status === 0 ? "the temporary folder takes files of 2^53 bytes" : undefined;
  },
  /** What is in the page cache can be asked: see `pageCache`. */
  fincore: () => missingProgram("fincore"),
  prlimit: () => missingProgram("prlimit"),
  /** For what no module of Node's can do, such as to send urgent data. */
  compiler: () =>
    compilers().some((name) => missingProgram(name) === undefined) ? undefined : "there is no C compiler",
  /** Extended attributes can be set and read: by archives, which node: modules and most machines have no other means for. */
  tar: () => missingProgram("tar"),
  haproxy: () => missingProgram("haproxy"),
  openssl: () => missingProgram("openssl"),
  nginx: () => missingProgram("nginx"),
  /** A btrfs image can be made and mounted: see `mountScratch`. */
  btrfs: mountable("btrfs"),
  xfs: mountable("xfs"),
  /** Folders can be laid over each other. */
  overlay: async () =>
    readFileSync("/proc/filesystems", "utf8").includes("overlay") ? isRoot() : "this kernel has no overlayfs",
  /** A filesystem of a server of our own can be mounted: see `mountFuse`. */
  fuse: withoutFuse,
} as const satisfies Record<string, Probe>;

export type Need = keyof typeof needs;

export interface Unmet {
  readonly need: Need;
  readonly reason: string;
}

/** The first of the needs that is not met here, with the reason. */
export async function unmet(list: readonly Need[]): Promise<Unmet | undefined> {
  for (const need of list) {
    const reason = await needs[need]();
    if (reason !== undefined) return { need, reason };
  }
  return undefined;
}
