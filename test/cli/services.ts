/** Runs a service of the command line in a process of its own, on any of the runtimes. */
import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { type Candidate, candidates, locate } from "../support/runtimes.ts";
import { waitFor } from "../support/wait.ts";
import { main } from "./cli.ts";

/** All of them for `npm test -- --all` or with words; else the first. */
export const runtimes: readonly Candidate[] =
  process.env["SLUICE_TEST_ALL"] === "1" ? candidates.usual : candidates.usual.slice(0, 1);

export interface ServiceEnd {
  readonly code: number | undefined;
  readonly signal: string | undefined;
}

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<ServiceEnd>;
  stdout(): string;
  stderr(): string;
}

export interface Service extends Running {
  readonly pid: number;
  /** Of `--metrics-port`; empty without. */
  readonly metricsUrl: string;
}

const running = new Map<ChildProcess, Promise<unknown>>();

/** Ends whatever is left of a test's services; workers end with theirs. */
export async function endServices(): Promise<void> {
  for (const child of running.keys()) child.kill("SIGKILL");
  await Promise.all(running.values());
}

/** `before`: a command that runs the rest of its arguments. */
function run(command: readonly string[], args: readonly string[], before: readonly string[]): Running {
  const [program = "", ...options] = [...before, ...command, main, ...args];
  const child = spawn(program, options, { stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const ended = new Promise<ServiceEnd>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      running.delete(child);
      resolve({ code: code ?? undefined, signal: signal ?? undefined });
    });
  });
  running.set(child, ended);
  return { child, ended, stdout: () => stdout, stderr: () => stderr };
}

/** Starts a service and waits until it says that it listens: the service, and what it said by the groups of the pattern. */
export async function startService(
  runtime: Candidate,
  args: readonly string[],
  place: RegExp,
  before: readonly string[] = [],
): Promise<{ readonly service: Service; readonly said: RegExpExecArray }> {
  const { command } = await locate(runtime);
  const service = run(command, args, before);
  const metrics = args.includes("--metrics-port") ? /^Metrics on (.*)\n/m : /^/;
  const { child, stderr } = service;
  const begun = () => child.exitCode !== null || (place.test(stderr()) && metrics.test(stderr()));
  await waitFor("the service to listen", begun);
  const said = place.exec(stderr());
  if (said === null || child.pid === undefined) throw new Error(`It did not begin: ${stderr()}`);
  return { service: { ...service, pid: child.pid, metricsUrl: metrics.exec(stderr())?.[1] ?? "" }, said };
}

/** Runs a service where it is expected to fail. */
export async function failToStart(
  runtime: Candidate,
  ...args: string[]
): Promise<ServiceEnd & { readonly stderr: string }> {
  const { command } = await locate(runtime);
  const { ended, stderr } = run(command, args, []);
  return { ...(await ended), stderr: stderr() };
}

/** Open descriptors of a process. */
export function countDescriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Processes that a process has started and that have not ended. */
export function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
}

/** The value of one series, as Prometheus reads it; undefined where there is none. */
export async function readMetric(
  { metricsUrl }: Pick<Service, "metricsUrl">,
  series: string,
): Promise<number | undefined> {
  const text = await (await fetch(metricsUrl)).text();
  const line = text.split("\n").find((each) => each.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}
