/** Starts a measured process and awaits its result. */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { TaskAnswer, TaskInput, TaskName, TaskOutput } from "../subjects/child.ts";

export interface TaskOptions {
  /** Called with the port on which the task listens; its rejection ends the task. */
  readonly onPort?: (port: number) => Promise<unknown>;
  /** A program to run Node under: `unshare`, `strace`. */
  readonly launcher?: { readonly command: string; readonly args: readonly string[] };
  readonly nodeOptions?: readonly string[];
  readonly timeoutMs?: number;
}

const child = fileURLToPath(new URL("../subjects/child.js", import.meta.url));

/**
 * Runs one task in a fresh process.
 *
 * @throws Error with what went wrong in the task, in its peer, or with its time (default 120 s)
 */
export function runTask<N extends TaskName>(
  task: N,
  input: TaskInput<N>,
  { onPort, launcher, nodeOptions = [], timeoutMs = 120_000 }: TaskOptions = {},
): Promise<TaskOutput<N>> {
  const running = fork(child, [], {
    ...(launcher && { execPath: launcher.command }),
    execArgv: [...(launcher?.args ?? []), ...nodeOptions],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const work = new Promise<TaskOutput<N>>((resolve, reject) => {
    let result: (() => void) | undefined;
    const timer = setTimeout(() => reject(new Error(`${task} did not end within ${timeoutMs / 1000} s`)), timeoutMs);
    running.on("message", (answer: TaskAnswer) => {
      if (answer.kind === "port") onPort?.(answer.port).catch(reject);
      else if (answer.kind === "failed") reject(new Error(answer.message));
      else result = () => resolve(answer.output as TaskOutput<N>);
    });
    running.on("error", reject);
    // A result counts once the process is gone: until then a tracer is still writing.
    running.on("close", (code, signal) => {
      clearTimeout(timer);
      if (result === undefined) reject(new Error(`${task} ended with ${signal ?? code} and no result`));
      else result();
    });
    running.send({ task, input });
  });
  return work.finally(() => void running.kill("SIGKILL"));
}
