/** examples/kafka-log at work in a process of its own. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { root } from "../../support/root.ts";

/** What the broker says of the log's bytes when it ends, by what moved them. */
export type Sent = Readonly<Record<string, { readonly bytes: number; readonly copied: string }>>;

export interface Broker extends AsyncDisposable {
  readonly port: number;
  readonly address: string;
  readonly process: ChildProcess;
  readonly complaints: string;
  openFds(): number;
  /** CPU time that it has used, in seconds. */
  cpuSeconds(): number;
  /** The most memory that it has had at a time, in MiB. */
  peakMib(): number;
  /** Ends it at once, as a crash does. */
  kill(): Promise<void>;
  /** Ends it in good order. */
  stop(): Promise<Sent>;
}

export interface Starting {
  readonly options?: readonly string[];
  /** What runs the script; by default this Node. */
  readonly command?: readonly [string, ...string[]];
  readonly script?: string;
}

const compiled = "build/examples/kafka-log/main.js";

/** Starts a broker on a folder. Rejects with what it said where it ends before it listens. */
export async function startBroker(folder: string, starting: Starting = {}): Promise<Broker> {
  const { options = [], command = [process.execPath], script = compiled } = starting;
  const [program, ...args] = command;
  const child = spawn(program, [...args, join(root, script), ...options, folder, "0"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let complaints = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (complaints += text));
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  const ended = once(child, "close");
  await Promise.race([
    once(child.stdout, "data"),
    ended.then(() => Promise.reject(new Error(`the broker ended: ${complaints}`))),
  ]);
  const address = output.trim().replace("kafka://", "");
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    await ended;
  };
  return {
    port: Number(address.split(":")[1]),
    address,
    process: child,
    get complaints() {
      return complaints;
    },
    openFds: () => fs.readdirSync(`/proc/${child.pid}/fd`).length,
    cpuSeconds() {
      const fields = fs.readFileSync(`/proc/${child.pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
      return (Number(fields[11]) + Number(fields[12])) / 100;
    },
    peakMib() {
      const status = fs.readFileSync(`/proc/${child.pid}/status`, "utf8");
      return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
    },
    kill: () => end("SIGKILL"),
    async stop() {
      await end("SIGTERM");
      if (child.exitCode !== 0) throw new Error(`the broker didn't stop in good order: ${complaints}`);
      const lines = output.matchAll(/^sent (\d+) bytes by (\S+), copied: (\w+)$/gm);
      return Object.fromEntries(
        Array.from(lines, ([, bytes, means = "", copied = ""]) => [means, { bytes: Number(bytes), copied }]),
      );
    },
    [Symbol.asyncDispose]: () => end("SIGKILL"),
  };
}

const run = promisify(execFile);

/** What kcat prints. With `input` that is what it produces, a line a record. */
export async function kcat({ address }: Broker, args: readonly string[], input?: string | Uint8Array): Promise<string> {
  // At the end of a partition it waits for more that long before it ends.
  const running = run("kcat", ["-b", address, "-X", "fetch.wait.max.ms=20", ...args], {
    maxBuffer: 2 ** 27,
    timeout: 120_000,
    encoding: "latin1",
  });
  // A consumer may be done before it has been told that nothing comes; a producer's failure is in its exit code.
  running.child.stdin?.on("error", () => {});
  running.child.stdin?.end(input ?? "");
  return (await running).stdout;
}

/** The files of a partition, by name. */
export function segmentsOf(folder: string, topic: string, partition = 0): string[] {
  const place = join(folder, `${topic}-${partition}`);
  return fs
    .readdirSync(place)
    .sort()
    .map((name) => join(place, name));
}
