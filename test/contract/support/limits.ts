/** Machines that are short of something. */
import { execFileSync } from "node:child_process";
import { openSync } from "node:fs";
import process from "node:process";
import { tempFolder } from "../../support/temp.ts";

/**
 * Mounts a tmpfs of so many bytes, or of "4m", and answers its folder. Needs root. It is detached at once and held by a
 * descriptor alone, so that it goes with the process, however that ends.
 */
export function mountTmpfs(size: string | number): string {
  const point = tempFolder();
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "sluice", point], { stdio: "ignore" });
  const held = openSync(point, "r");
  execFileSync("umount", ["--lazy", point], { stdio: "ignore" });
  return `/proc/${process.pid}/fd/${held}`;
}
