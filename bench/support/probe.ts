/**
 * Loaded into a Node process that is measured: answers its parent's questions about memory and the event loop.
 * Nothing runs until it is asked.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Delay, watchEventLoop } from "./meter.ts";

export interface ProbeAnswers {
  /** Bytes after garbage collection. */
  readonly memory: NodeJS.MemoryUsage;
  /** From now until the next `delay`. */
  readonly watch: true;
  readonly delay: Delay;
}

export type ProbeQuestion = keyof ProbeAnswers;

/** V8 gives pages back some time after a collection, and finds more in the next. */
async function memory(): Promise<NodeJS.MemoryUsage> {
  for (let i = 0; i < 4; i++) {
    if (gc === undefined) throw new Error("The server runs without --expose-gc");
    gc();
    await sleep(50);
  }
  return process.memoryUsage();
}

let stopWatching: (() => Promise<Delay>) | undefined;

const answers: { readonly [Q in ProbeQuestion]: () => Promise<ProbeAnswers[Q]> } = {
  memory,
  async watch() {
    stopWatching = await watchEventLoop();
    return true;
  },
  async delay() {
    if (stopWatching === undefined) throw new Error("The event loop is not watched");
    return stopWatching();
  },
};

process.on("message", (question: ProbeQuestion | object) => {
  // The program may be told other things over the same channel.
  if (typeof question !== "string") return;
  void answers[question]().then((answer) => process.send?.(answer));
});
process.on("disconnect", () => process.exit());
