/** Runs one child process to its end, unless it hangs. */
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { beginWatch, judgeWatch, nextWatch, type Sample, type Watch } from "./patience.ts";
import { familyOf, type ProcessStat, readProcesses } from "./processes.ts";

export interface Ended {
  /** Undefined when a signal ended it. */
  readonly code: number | undefined;
  readonly signal: string | undefined;
  readonly timedOut: boolean;
  /** Why it was taken to hang, and killed. */
  readonly hung: string | undefined;
  /** What it wrote to stdout and stderr, in the order of arrival. */
  readonly output: string;
  readonly stdout: string;
  readonly durationMs: number;
}

/** A child that runs: looked at from time to time, all of them at once. */
interface Running {
  look(all: readonly ProcessStat[]): void;
  /** Kills it and all that it started. */
  kill(all: readonly ProcessStat[]): void;
}

const running = new Set<Running>();
const lookEveryMs = 500;
let looking: NodeJS.Timeout | undefined;

function attend(one: Running): void {
  running.add(one);
  looking ??= setInterval(() => {
    const all = readProcesses();
    for (const each of running) each.look(all);
  }, lookEveryMs);
}

function forget(one: Running): void {
  running.delete(one);
  if (running.size > 0) return;
  clearInterval(looking);
  looking = undefined;
}

/**
 * Runs a command to its end, or until it hangs: `limitMs` is how long it may do nothing (see patience.ts). It leads a
 * process group of its own; when it hangs, that group and all its descendants are killed. A grandchild that keeps the
 * output open counts as still running. `renew` is told what has been written to stdout so far; an answer is the limit of
 * what begins now.
 */
export function runChild(
  [program, ...args]: readonly [string, ...string[]],
  limitMs: number,
  env: NodeJS.ProcessEnv = process.env,
  renew?: (stdout: string) => number | undefined,
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const child = spawn(program, args, { env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    let hung: string | undefined;
    let output = "";
    let stdout = "";
    let limit = limitMs;
    let last: Sample = { atMs: started, written: 0, cpuMs: 0, pids: new Set() };
    let watch: Watch = beginWatch(last);

    const familyIn = (all: readonly ProcessStat[]) => familyOf(child.pid ?? 0, last.pids, all);
    const killFamily = (all: readonly ProcessStat[]) => {
      killGroup(child);
      for (const { pid } of familyIn(all)) kill(pid);
    };
    const giveUp = (why: string, all: readonly ProcessStat[]) => {
      hung = why;
      killFamily(all);
      // One that has been lost sight of may still hold the output: it is not waited for.
      child.stdout.destroy();
      child.stderr.destroy();
    };
    const look = (all: readonly ProcessStat[]) => {
      if (hung !== undefined) return;
      const family = familyIn(all);
      last = {
        atMs: performance.now(),
        written: output.length,
        cpuMs: family.reduce((sum, { cpuMs }) => sum + cpuMs, 0),
        pids: new Set(family.map(({ pid }) => pid)),
      };
      watch = nextWatch(watch, last);
      const why = judgeWatch(watch, limit);
      if (why !== undefined) giveUp(why, all);
    };
    const one: Running = { look, kill: killFamily };
    attend(one);

    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      stdout += text;
      const renewedMs = renew?.(stdout);
      if (renewedMs === undefined || hung !== undefined) return;
      limit = renewedMs;
      watch = beginWatch({ ...last, atMs: performance.now() });
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => (output += text));
    child.once("error", (error) => {
      forget(one);
      reject(error);
    });
    child.once("close", (code, signal) => {
      forget(one);
      resolve({
        code: code ?? undefined,
        signal: signal ?? undefined,
        timedOut: hung !== undefined,
        hung,
        output,
        stdout,
        durationMs: Math.round(performance.now() - started),
      });
    });
  });
}

function killGroup({ pid }: ChildProcess): void {
  if (pid !== undefined) kill(-pid);
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    // ESRCH: it ended by itself in the meantime.
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

/** Kills whatever is running, for a runner that is told to stop. */
export function killAll(): void {
  const all = readProcesses();
  for (const each of running) each.kill(all);
}
