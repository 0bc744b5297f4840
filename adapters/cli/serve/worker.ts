/** One of several processes on a port. It ends with its supervisor: node:cluster sees to that. */
import process from "node:process";
import { describeFailure } from "../exit.ts";
import { listenForInterrupt } from "../interrupt.ts";
import type { Order, Report } from "./messages.ts";
import { type RunningServer, startServer } from "./server.ts";

/** Serves what the supervisor says, until it says stop or a signal arrives. */
export async function runWorker(): Promise<void> {
  // Ctrl-C reaches every process of a terminal, and the supervisor's order follows: both mean the same.
  const { signal } = listenForInterrupt();
  const stopped = Promise.race([heard("stop"), new Promise((resolve) => signal.addEventListener("abort", resolve))]);
  const order = heard("serve");
  tellSupervisor({ kind: "ready" });
  const { options } = await order;
  let server: RunningServer;
  try {
    server = await startServer(options);
  } catch (error) {
    tellSupervisor({ kind: "failed", message: describeFailure(`serve ${options.root}`, error).message });
    process.disconnect();
    return;
  }
  answerQuestions(server);
  tellSupervisor({ kind: "listening" });
  await stopped;
  await server.close();
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

function answerQuestions({ metrics }: RunningServer): void {
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
