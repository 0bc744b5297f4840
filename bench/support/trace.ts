/** Exact counts of system calls: strace from outside, with two marks in the trace around what is counted. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";

type Mark = "begin" | "end";

const markPath = (name: Mark) => `sluice-bench:${name}`;

/** Leaves a mark that shows in a trace: a look-up of a file that isn't there. */
export function mark(name: Mark): void {
  existsSync(markPath(name));
}

/** Why strace can't be used here, or undefined where it can. */
export function straceObstacle(): string | undefined {
  try {
    execFileSync("strace", ["-f", "-qq", "-o", "/dev/null", "true"], { stdio: ["ignore", "ignore", "pipe"] });
    return undefined;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "strace is not installed";
    return "strace is not allowed to trace here";
  }
}

/** What runs a Node process under strace, its calls written to `file`. */
export function straceLauncher(file: string): { readonly command: string; readonly args: readonly string[] } {
  return { command: "strace", args: ["-f", "-qq", "-o", file, process.execPath] };
}

/** System calls between the marks, over all threads. A call that another thread interrupted in the trace counts once. */
export function countSystemCalls(file: string): number {
  const lines = readFileSync(file, "latin1").split("\n");
  const at = (name: Mark) => lines.findIndex((line) => line.includes(markPath(name)));
  const [begin, end] = [at("begin"), at("end")];
  if (begin < 0 || end < begin) throw new Error("The trace has no marks: strace did not see the sender");
  return lines.slice(begin + 1, end).filter((line) => /^\d+ +[a-z]\w*\(/.test(line)).length;
}
