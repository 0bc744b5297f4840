/** A process under measurement: it is looked at from outside, asked where it can be asked, and stopped in the end. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import type { Answers, Question } from "./probe.ts";

export interface Subject {
  readonly pid: number;
  /** Asks the probe, where there is one: in Node. */
  readonly probed: boolean;
  readonly ask: <Q extends Question>(question: Q) => Promise<Answers[Q]>;
  readonly stop: () => Promise<void>;
}

/** What `--import` loads into a Node program that can be asked then. */
export const probe = new URL("probe.js", import.meta.url).href;

const running = new Set<ChildProcess>();
// SIGTERM, for a master of nginx that is killed leaves its worker behind.
process.once("exit", () => running.forEach((child) => child.kill("SIGTERM")));

/** One question at a time: the next message is taken for its answer. */
async function answerTo(child: ChildProcess, question: Question | object): Promise<unknown> {
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
    ask: <Q extends Question>(question: Q) => answerTo(child, question) as Promise<Answers[Q]>,
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
export function watch(child: ChildProcess, name: string): Promise<never> {
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
  // It also ends when it is told to, and then nobody awaits this any longer.
  ended.catch(() => {});
  return ended;
}

/** A Node program that does what it is told over its channel, and answers there. */
export interface Worker<Order extends object, Answer> extends Subject {
  readonly tell: (order: Order) => Promise<Answer>;
}

/** @param script loads the probe itself, once it listens for orders: until somebody does, Node keeps what comes */
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
