/** Another process that does something to a file: a real one, which the kernel holds up where it has to. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, statSync } from "node:fs";
import { waitFor } from "../../support/wait.ts";

/** What it does, in shell; `$1` is the file. Not truncate(1), which opens with O_NONBLOCK and gives up at a lease. */
export const deeds = {
  truncate: ': >"$1"',
  "open for writing": ': >>"$1"',
  overwrite: 'head -c 4194304 /dev/zero | dd of="$1" bs=64k conv=notrunc status=none',
  rename: 'mv "$1" "$1.renamed"',
  unlink: 'rm "$1"',
  replace: 'head -c 100 /dev/zero >"$1.new" && mv "$1.new" "$1"',
} as const;

export type Deed = keyof typeof deeds;

export interface Other {
  readonly hasEnded: boolean;
  /** Its exit code. */
  readonly ended: Promise<number>;
}

/** Starts another process. */
export function other(deed: Deed, path: string): Other {
  const child = spawn("sh", ["-c", deeds[deed], "sh", path], { stdio: "ignore" });
  const state = { hasEnded: false };
  const ended = once(child, "exit").then(([code]) => {
    state.hasEnded = true;
    return Number(code ?? -1);
  });
  return {
    ended,
    get hasEnded() {
      return state.hasEnded;
    },
  };
}

/** Waits until somebody is held up by a lease on the file: /proc/locks names it by its inode. */
export function heldUp(path: string): Promise<void> {
  const broken = new RegExp(`LEASE +BREAK.*:${statSync(path).ino} `);
  return waitFor(`somebody to break the lease on ${path}`, () => broken.test(readFileSync("/proc/locks", "utf8")));
}
