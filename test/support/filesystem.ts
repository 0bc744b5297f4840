/** Filesystems of the tests' own, for what ext4 and tmpfs can't do. */
import { execFileSync } from "node:child_process";
import { mkdirSync, openSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { tempFolder } from "./temp.ts";

const makers = {
  btrfs: "mkfs.btrfs",
  xfs: "mkfs.xfs",
} as const;

/**
 * Makes a filesystem of `lengthBytes` (btrfs takes 110 MiB or more, xfs 300 MiB) in an image, mounts it and
 * returns its folder. Needs root. The mount is detached at once and held by a descriptor alone, so that it goes
 * with the process, however that ends.
 */
export function mountScratch(type: keyof typeof makers, lengthBytes = 320 * 1024 * 1024): string {
  const folder = tempFolder();
  const image = join(folder, "image");
  const point = join(folder, "mount");
  writeFileSync(image, "");
  truncateSync(image, lengthBytes);
  mkdirSync(point);
  const env = { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` };
  execFileSync(makers[type], ["-q", image], { env, stdio: "pipe" });
  execFileSync("mount", ["-o", "loop", image, point], { env, stdio: "pipe" });
  const held = openSync(point, "r");
  execFileSync("umount", ["--lazy", point], { env, stdio: "pipe" });
  return `/proc/${process.pid}/fd/${held}`;
}
