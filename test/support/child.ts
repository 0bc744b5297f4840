/** Runs one child process with a hard time-out. */
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";

export interface Ended {
  /** Undefined when a signal ended it. */
  readonly code: number | undefined;
  readonly signal: string | undefined;
  readonly timedOut: boolean;
  /** What it wrote to stdout and stderr, in the order of arrival. */
  readonly output: string;
  readonly stdout: string;
  readonly durationMs: number;
}

const alive = new Set<ChildProcess>();

/**
 * Runs a command to its end. It leads a process group of its own, and at the time-out the whole group is
 * killed. A grandchild that keeps the output open counts as still running, and is then left behind if it has
 * made itself another group. `renew` is told what has been written to stdout so far; an answer, in milliseconds, starts
 * the time-out anew.
 */
export function runChild(
  [program, ...args]: readonly [string, ...string[]],
  timeoutMs: number,
  env: NodeJS.ProcessEnv = process.env,
  renew?: (stdout: string) => number | undefined,
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const started = Date.now();
    const child = spawn(program, args, { env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    alive.add(child);
    let timedOut = false;
    let output = "";
    let stdout = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      stdout += text;
      const renewedMs = renew?.(stdout);
      if (renewedMs === undefined || timedOut) return;
      clearTimeout(timer);
      timer = setTimeout(giveUp, renewedMs);
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => (output += text));
    const giveUp = () => {
      timedOut = true;
      killGroup(child);
      // A grandchild that left the group may still hold the output: it is not waited for.
      child.stdout.destroy();
      child.stderr.destroy();
    };
    let timer = setTimeout(giveUp, timeoutMs);
    const forget = () => {
      clearTimeout(timer);
      alive.delete(child);
    };
    child.once("error", (error) => {
      forget();
      reject(error);
    });
    child.once("close", (code, signal) => {
      forget();
      resolve({
        code: code ?? undefined,
        signal: signal ?? undefined,
        timedOut,
        output,
        stdout,
        durationMs: Date.now() - started,
      });
    });
  });
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    // ESRCH: it ended by itself in the meantime.
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

/** Kills whatever is running, for a runner that is told to stop. */
export function killAll(): void {
  for (const child of alive) killGroup(child);
}
