/** Processes under measurement: looked at from outside, asked where they can be asked, and stopped in the end; those that serve with their port. */
import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { ProbeAnswers, ProbeQuestion } from "./probe.ts";

export interface Subject {
  readonly pid: number;
  /** Asks the probe, where there is one: in Node. */
  readonly probed: boolean;
  readonly ask: <Q extends ProbeQuestion>(question: Q) => Promise<ProbeAnswers[Q]>;
  readonly stop: () => Promise<void>;
}

/** What `--import` loads into a Node program that can be asked then. */
export const probe = new URL("probe.js", import.meta.url).href;

const running = new Set<ChildProcess>();
// SIGTERM, for a master of nginx that is killed leaves its worker behind.
process.once("exit", () => running.forEach((child) => child.kill("SIGTERM")));

/** One question at a time: the next message is taken for its answer. */
async function answerTo(child: ChildProcess, question: ProbeQuestion | object): Promise<unknown> {
  child.send(question);
  const [answer]: unknown[] = await once(child, "message");
  return answer;
}

export function subjectOf(child: ChildProcess): Subject {
  const { pid } = child;
  if (pid === undefined) throw new Error("There is no process to measure");
  return {
    pid,
    probed: child.connected,
    ask: <Q extends ProbeQuestion>(question: Q) => answerTo(child, question) as Promise<ProbeAnswers[Q]>,
    async stop() {
      const gone = once(child, "exit");
      // The probe ends its process with the channel, whatever connections clients keep; SIGTERM may wait for those.
      if (child.connected) child.disconnect();
      else child.kill("SIGTERM");
      await gone;
    },
  };
}

/** Counts a process among those to stop at the end; the promise rejects when it ends before its time. */
function watch(child: ChildProcess, name: string): Promise<never> {
  running.add(child);
  const ended = new Promise<never>((_, reject) => {
    child.once("error", (error) => {
      running.delete(child);
      reject(error);
    });
    child.once("exit", (code, signal) => {
      running.delete(child);
      reject(new Error(`${name} ended with ${signal ?? code}`));
    });
  });
  // It also ends when it is told to, and then this is no longer awaited.
  ended.catch(() => {});
  return ended;
}

/** A Node program that does what it is told over its channel, and answers there. */
export interface Worker<Order extends object, Answer> extends Subject {
  readonly tell: (order: Order) => Promise<Answer>;
}

/** @param script loads the probe itself, once it listens for orders: until then Node keeps what comes */
export function startWorker<Order extends object, Answer>(
  script: string,
  args: readonly string[],
): Worker<Order, Answer> {
  const child = fork(script, args, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const ended = watch(child, script);
  return {
    ...subjectOf(child),
    tell: (order) => Promise.race([answerTo(child, order) as Promise<Answer>, ended]),
  };
}

export interface HttpServer extends Subject {
  readonly port: number;
}

function serverOf(child: ChildProcess, port: number): HttpServer {
  return { ...subjectOf(child), port };
}

const packageFolder = fileURLToPath(new URL("../../../", import.meta.url));
export const commandLine = join(packageFolder, "dist/lib/cli/main.js");

/** The port of the first address that a server prints. Whatever it prints after that is thrown away. */
function portFrom(output: Readable): Promise<number> {
  return new Promise((resolve) => {
    let text = "";
    const read = (chunk: string) => {
      text += chunk;
      const port = /https?:\/\/[^/\s]+:(\d+)/.exec(text)?.[1];
      if (port === undefined) return;
      output.off("data", read).resume();
      resolve(Number(port));
    };
    output.setEncoding("utf8").on("data", read);
  });
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("There is no free port");
  return address.port;
}

/** For servers that don't say when they are ready. Rejects when the server ends instead. */
export async function answering(port: number, ended: Promise<never>): Promise<void> {
  for (;;) {
    const socket = connect(port, "127.0.0.1");
    const connected = await once(socket, "connect").then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (connected) return;
    await Promise.race([sleep(20), ended]);
  }
}

export interface NodeServer {
  readonly script: string;
  readonly args: readonly string[];
  readonly nodeOptions?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Where it is going to listen; otherwise it prints its address. */
  readonly port?: number;
}

export async function startNode({ script, args, nodeOptions = [], env = {}, port }: NodeServer): Promise<HttpServer> {
  const child = fork(script, args, {
    cwd: packageFolder,
    env: { ...process.env, ...env },
    execArgv: ["--expose-gc", "--import", probe, ...nodeOptions],
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  const ended = watch(child, script);
  if (child.stdout === null) throw new Error("The server has no output");
  if (port === undefined) return serverOf(child, await Promise.race([portFrom(child.stdout), ended]));
  child.stdout.resume();
  await answering(port, ended);
  return serverOf(child, port);
}

export interface OtherProgram {
  readonly command: readonly [string, ...string[]];
  readonly env?: NodeJS.ProcessEnv;
}

/** A server of any other kind; it prints its address. */
export async function startProgram({ command: [program, ...args], env = {} }: OtherProgram): Promise<HttpServer> {
  const child = spawn(program, args, {
    cwd: packageFolder,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = watch(child, program);
  return serverOf(child, await Promise.race([portFrom(child.stdout), ended]));
}

/** A server of any other kind that is told its port and says nothing when it is ready. */
export async function startSilent([program = "", ...args]: readonly string[], port: number): Promise<HttpServer> {
  const child = spawn(program, args, { stdio: ["ignore", "ignore", "inherit"] });
  await answering(port, watch(child, program));
  return serverOf(child, port);
}
