/**
 * Counts the system calls of processes from outside, over all their threads: by perf(1) from the kernel's own
 * tracepoint, else by strace(1), which slows them down but counts the same.
 */
import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import type { Readable, Writable } from "node:stream";
import { promisify } from "node:util";
import { findProgram, start } from "./programs.ts";

const run = promisify(execFile);

export interface Counter {
  /** For the report. */
  readonly name: string;
  readonly count: (pids: readonly number[], work: () => Promise<unknown>) => Promise<number>;
  /** Of a program and its children, from its start to its end. */
  readonly countProgram: (command: readonly string[]) => Promise<number>;
}

const event = "raw_syscalls:sys_enter";

/** "143,,raw_syscalls:sys_enter,…": the first field, which may be "<not counted>" where nothing ran. */
export function parsePerf(text: string): number {
  const line = text.split("\n").find((one) => one.includes(event));
  const count = Number(line?.split(",")[0]);
  if (line === undefined || (Number.isNaN(count) && !line.startsWith("<not counted>")))
    throw new Error(`perf printed ${text}`);
  return Number.isNaN(count) ? 0 : count;
}

/** "100.00    0.012345          12       987           total" */
export function parseStrace(text: string): number {
  const count = Number(/^100\.00\s+\S+\s+(?:\S+\s+)?(\d+)\s+(?:\d+\s+)?total$/m.exec(text)?.[1] ?? Number.NaN);
  if (Number.isNaN(count)) throw new Error(`strace printed ${text}`);
  return count;
}

/** It is told when to begin and when to end, and acknowledges both. */
async function countByPerf(pids: readonly number[], work: () => Promise<unknown>): Promise<number> {
  const options = ["stat", "-x,", "-D", "-1", "--control", "fd:3,4", "-e", event, "-p", pids.join(",")];
  const perf = spawn("perf", options, { stdio: ["ignore", "ignore", "pipe", "pipe", "pipe"] });
  let text = "";
  perf.stderr?.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  const control = perf.stdio[3] as Writable;
  const answers = perf.stdio[4] as Readable;
  const ended = once(perf, "close");
  const gone = ended.then(() => Promise.reject(new Error(`perf ended: ${text.trim()}`)));
  gone.catch(() => {});
  const tell = async (word: string) => {
    control.write(`${word}\n`);
    await Promise.race([once(answers, "data"), gone]);
  };
  await tell("enable");
  await work();
  await tell("disable");
  perf.kill("SIGINT");
  await ended;
  return parsePerf(text);
}

async function countByStrace(pids: readonly number[], work: () => Promise<unknown>): Promise<number> {
  const strace = spawn("strace", ["-f", "-c", "-q", ...pids.flatMap((pid) => ["-p", String(pid)])], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let text = "";
  strace.stderr.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  const ended = once(strace, "close");
  // It says nothing with -q; what it traces says so in its status.
  await new Promise((resolve) => setTimeout(resolve, 300));
  await work();
  strace.kill("SIGINT");
  await ended;
  return parseStrace(text);
}

const countProgramByPerf = async (command: readonly string[]) =>
  parsePerf((await run("perf", ["stat", "-x,", "-e", event, "--", ...command])).stderr);

const countProgramByStrace = async (command: readonly string[]) =>
  parseStrace((await run("strace", ["-f", "-c", "-q", "--", ...command])).stderr);

let found: Promise<Counter | string> | undefined;

async function perfWorks(): Promise<boolean> {
  if (findProgram("perf") === undefined) return false;
  const output = start("perf", ["stat", "-x,", "-e", event, "--log-fd", "1", "true"]).output;
  return output.then(
    (text) => text.includes(event) && !text.includes("<not supported>"),
    () => false,
  );
}

/** What counts on this machine, or why nothing does. */
export function counter(): Promise<Counter | string> {
  found ??= perfWorks().then((works) => {
    if (works) return { name: `perf stat -e ${event}`, count: countByPerf, countProgram: countProgramByPerf };
    const obstacle = straceObstacle();
    return obstacle === undefined
      ? { name: "strace -c", count: countByStrace, countProgram: countProgramByStrace }
      : `perf can't count here, and ${obstacle}`;
  });
  return found;
}

/** The same as a note of a contest. */
export async function countedBy(): Promise<string> {
  const by = await counter();
  return typeof by === "string"
    ? `System calls are not counted: ${by}.`
    : `System calls: ${by.name}, in a pass of its own.`;
}

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
