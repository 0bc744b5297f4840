/** Runs the real command line in a process of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { root } from "../support/root.ts";
import { waitFor } from "../support/wait.ts";

export const main: string = join(root, "dist/lib/cli/main.js");

export interface CliEnd {
  readonly code: number | undefined;
  /** What ended it, where it did not exit by itself. */
  readonly signal: string | undefined;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface RunningCli {
  readonly child: ChildProcess;
  readonly ended: Promise<CliEnd>;
  /** What it has written to stderr so far. */
  stderr(): string;
}

export interface CliOptions {
  /** The runtime's command line. Default: this Node's. */
  readonly command?: readonly string[];
  readonly cwd?: string;
  readonly input?: Uint8Array;
  /** Leave its standard input without an end. */
  readonly keepInputOpen?: boolean;
  readonly env?: NodeJS.ProcessEnv;
}

/** Starts it and gives it its standard input. */
export function startCli(
  args: readonly string[],
  { command = [process.execPath], cwd, input, keepInputOpen, env }: CliOptions = {},
): RunningCli {
  const [program = "", ...options] = command;
  const child = spawn(program, [...options, main, ...args], { cwd, env: env ?? process.env });
  const out: Uint8Array[] = [];
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  // It may end without having read everything.
  child.stdin.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
  if (input !== undefined) child.stdin.write(input);
  if (keepInputOpen !== true) child.stdin.end();
  const ended = new Promise<CliEnd>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) =>
      resolve({ code: code ?? undefined, signal: signal ?? undefined, stdout: Buffer.concat(out), stderr }),
    );
  });
  return { child, ended, stderr: () => stderr };
}

/** Runs it to its end. */
export function cli(args: readonly string[], options?: CliOptions): Promise<CliEnd> {
  return startCli(args, options).ended;
}

/** The data that `--json` prints: all of stdout has to be one value. */
export function parseJson({ stdout }: CliEnd): Readonly<Record<string, unknown>> {
  return JSON.parse(stdout.toString()) as Readonly<Record<string, unknown>>;
}

export interface Receiver extends RunningCli {
  readonly port: number;
}

/** Starts `receive 0 FILE` and waits until it tells its port. */
export const startReceiver = (file: string, ...options: string[]): Promise<Receiver> =>
  startReceiverOn({}, file, ...options);

export async function startReceiverOn(how: CliOptions, file: string, ...options: string[]): Promise<Receiver> {
  const running = startCli(["receive", "0", file, "--host", "127.0.0.1", ...options], how);
  const place = /Listening on 127\.0\.0\.1:(\d+)/;
  await waitFor("the receiver to listen", () => place.test(running.stderr()));
  return { ...running, port: Number(place.exec(running.stderr())?.[1]) };
}
