/** One of several processes that share an address. It ends with its supervisor: node:cluster sees to that. */
import process from "node:process";
import { describeFailure } from "../exit.ts";
import { listenForInterrupt } from "../interrupt.ts";
import { outliveReader } from "../output.ts";
import type { Program, Running } from "./program.ts";
import type { Snapshot } from "./metrics.ts";

/** What a worker tells its supervisor, by the channel of node:cluster. */
export type FromWorker =
  /** It hears. What is sent before can be lost. */
  | { readonly kind: "ready" }
  | { readonly kind: "listening" }
  | { readonly kind: "failed"; readonly message: string }
  /** Its log can't be written. */
  | { readonly kind: "log"; readonly line: string }
  | { readonly kind: "metrics"; readonly question: number; readonly snapshot: Snapshot };

/** What the supervisor tells a worker. */
export type ToWorker =
  /** The options are data alone: what `Program.start` takes. */
  | { readonly kind: "start"; readonly options: unknown }
  /** To be answered with the same number. */
  | { readonly kind: "metrics"; readonly question: number }
  | { readonly kind: "reload"; readonly options: unknown }
  | { readonly kind: "stop" };

/** Runs the program as the supervisor says, until it says stop or a signal arrives. */
export async function runWorker<O>(program: Program<O>): Promise<void> {
  outliveReader((line) => tellSupervisor({ kind: "log", line }));
  // Ctrl-C reaches every process of a terminal, and the supervisor's order follows: both mean the same.
  const { signal } = listenForInterrupt();
  const stopped = Promise.race([heard("stop"), new Promise((resolve) => signal.addEventListener("abort", resolve))]);
  // A terminal's hangup reaches every process, too: what it means is the supervisor's to say.
  process.on("SIGHUP", () => undefined);
  const order = heard("start");
  tellSupervisor({ kind: "ready" });
  // The supervisor runs the same program.
  const options = (await order).options as O;
  let running: Running<O>;
  try {
    running = await program.start(options);
  } catch (error) {
    tellSupervisor({ kind: "failed", message: describeFailure(program.action(options), error).message });
    process.disconnect();
    return;
  }
  answerQuestions(running);
  obeyReloads(running);
  tellSupervisor({ kind: "listening" });
  await stopped;
  await running.close();
  process.disconnect();
}

type Heard<K extends ToWorker["kind"]> = Extract<ToWorker, { readonly kind: K }>;

function heard<K extends ToWorker["kind"]>(kind: K): Promise<Heard<K>> {
  return new Promise((resolve) => {
    process.on("message", (message: ToWorker) => {
      if (message.kind === kind) resolve(message as Heard<K>);
    });
  });
}

function obeyReloads<O>(running: Running<O>): void {
  process.on("message", (message: ToWorker) => {
    if (message.kind === "reload") running.reload(message.options as O);
  });
}

function answerQuestions<O>({ metrics }: Running<O>): void {
  process.on("message", (message: ToWorker) => {
    if (message.kind !== "metrics") return;
    void metrics
      ?.snapshot()
      .then((snapshot) => tellSupervisor({ kind: "metrics", question: message.question, snapshot }));
  });
}

function tellSupervisor(message: FromWorker): void {
  process.send?.(message);
}
