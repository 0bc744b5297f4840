/** One of several processes that share an address. It ends with its supervisor: node:cluster sees to that. */
import process from "node:process";
import { describeFailure } from "../exit.ts";
import { listenForInterrupt } from "../interrupt.ts";
import { outliveReader } from "../output.ts";
import type { Order, Report } from "./messages.ts";
import type { Program, Running } from "./program.ts";

/** Runs the program as the supervisor says, until it says stop or a signal arrives. */
export async function runWorker<O>(program: Program<O>): Promise<void> {
  outliveReader((line) => tellSupervisor({ kind: "log", line }));
  // Ctrl-C reaches every process of a terminal, and the supervisor's order follows: both mean the same.
  const { signal } = listenForInterrupt();
  const stopped = Promise.race([heard("stop"), new Promise((resolve) => signal.addEventListener("abort", resolve))]);
  const order = heard("start");
  tellSupervisor({ kind: "ready" });
  // The supervisor runs the same program.
  const options = (await order).options as O;
  let running: Running;
  try {
    running = await program.start(options);
  } catch (error) {
    tellSupervisor({ kind: "failed", message: describeFailure(program.action(options), error).message });
    process.disconnect();
    return;
  }
  answerQuestions(running);
  tellSupervisor({ kind: "listening" });
  await stopped;
  await running.close();
  process.disconnect();
}

type Heard<K extends Order["kind"]> = Extract<Order, { readonly kind: K }>;

function heard<K extends Order["kind"]>(kind: K): Promise<Heard<K>> {
  return new Promise((resolve) => {
    process.on("message", (message: Order) => {
      if (message.kind === kind) resolve(message as Heard<K>);
    });
  });
}

function answerQuestions({ metrics }: Running): void {
  process.on("message", (message: Order) => {
    if (message.kind !== "metrics") return;
    void metrics
      ?.snapshot()
      .then((snapshot) => tellSupervisor({ kind: "metrics", question: message.question, snapshot }));
  });
}

function tellSupervisor(report: Report): void {
  process.send?.(report);
}
