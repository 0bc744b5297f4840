/** Filesystems of test/support/fuse, for what no filesystem of the kernel's own does. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { root } from "./root.ts";
import { tempFolder } from "./temp.ts";

const compiler = process.env["CC"] ?? "cc";

const flags = (): readonly string[] => {
  const { status, stdout } = spawnSync("pkg-config", ["--cflags", "--libs", "fuse3"], { encoding: "utf8" });
  return status === 0 ? stdout.trim().split(/\s+/) : [];
};

/** Why there can be none, or undefined. */
export function withoutFuse(): string | undefined {
  if (process.getuid?.() !== 0) return "not running as root";
  if (!existsSync("/dev/fuse")) return "there is no /dev/fuse";
  if (flags().length === 0) return "there is no libfuse3 to build with (pkg-config fuse3)";
  return spawnSync(compiler, ["--version"]).status === 0 ? undefined : `there is no C compiler ${compiler}`;
}

/**
 * Builds and mounts a filesystem and answers its folder. The mount is detached at once and held by a descriptor alone, so
 * that it, and with it its server, goes with the process, however that ends.
 */
export function mountFuse(name: "odd"): string {
  const folder = tempFolder();
  const program = join(folder, name);
  const point = join(folder, "mount");
  mkdirSync(point);
  const source = join(root, "test/support/fuse", `${name}.c`);
  execFileSync(compiler, ["-O1", "-Wall", "-Wextra", "-Werror", source, "-o", program, ...flags()], { stdio: "pipe" });
  execFileSync(program, [point], { stdio: "ignore" });
  const held = openSync(point, "r");
  execFileSync("umount", ["--lazy", point], { stdio: "pipe" });
  return `/proc/${process.pid}/fd/${held}`;
}
