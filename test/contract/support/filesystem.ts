/** A filesystem that is soon full. */
import { execFileSync } from "node:child_process";
import * as fs from "node:fs";
import process from "node:process";
import { tempFolder } from "../../support/temp.ts";

/** Mounts a tmpfs of that size and answers its folder. It goes with the process, however that ends. Needs root. */
export function mountTmpfs(bytes: number): string {
  const point = tempFolder();
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", point], { stdio: "ignore" });
  const held = fs.openSync(point, "r");
  execFileSync("umount", ["--lazy", point], { stdio: "ignore" });
  return `/proc/${process.pid}/fd/${held}`;
}
