/** Machines that are short of something. */
import { execFileSync } from "node:child_process";
import { mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { tempFolder } from "../../support/temp.ts";

/**
 * Mounts a tmpfs of a size such as "4m" and answers its folder. Needs root. It is detached at once and held by
 * a descriptor alone, so that it goes with the process.
 */
export function mountTmpfs(size: string): string {
  const point = join(tempFolder(), "mount");
  mkdirSync(point);
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "sluice", point], { stdio: "ignore" });
  const held = openSync(point, "r");
  execFileSync("umount", ["--lazy", point], { stdio: "ignore" });
  return `/proc/self/fd/${held}`;
}
