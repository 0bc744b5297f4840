/** Keeps a worker alive: one that ends is replaced, ever later while its successors keep ending early. */
import cluster, { type Worker } from "node:cluster";
import { setTimeout as sleep } from "node:timers/promises";
import { tell } from "../screen.ts";
import type { FromWorker, ToWorker } from "./worker.ts";
import { type Snapshot, withLabel } from "./metrics.ts";

/** A worker that has lived this long was healthy. Milliseconds. */
const healthyMs = 10_000;

const firstDelayMs = 100;
const longestDelayMs = 10_000;

/** A worker that does not answer for so long is left out of the metrics. Milliseconds. */
const answerMs = 1_000;

/** A worker that has not ended by itself this long after its deadline hangs. Milliseconds. */
const graceMs = 1_000;

/** What each worker is told. */
export interface Mission {
  /** The program's. */
  readonly options: unknown;
  /** How long it may take to end. Milliseconds. */
  readonly shutdownMs: number;
}

/** A worker, and its successors. */
export class WorkerSlot {
  readonly #number: number;
  #mission: Mission;
  readonly #onReplace: () => void;
  #worker: Worker | undefined;
  #begun: Promise<unknown> = Promise.resolve();
  #ended: Promise<string> = Promise.resolve("");
  #questions = 0;
  #isServing = false;
  readonly #stopping = new AbortController();

  constructor(number: number, mission: Mission, onReplace: () => void) {
    this.#number = number;
    this.#mission = mission;
    this.#onReplace = onReplace;
  }

  /** Starts a worker, and resolves when it listens. */
  async start(): Promise<void> {
    const worker = cluster.fork();
    this.#worker = worker;
    this.#ended = ended(worker);
    const failed = this.#ended.then((how): never => {
      throw new Error(`a worker ${how} before it listened`);
    });
    const begun = Promise.race([begin(worker, this.#mission.options), failed]);
    this.#begun = begun.catch(() => undefined);
    await begun;
    this.#isServing = true;
    void this.#ended.then(() => (this.#isServing = false));
  }

  /** Whether the worker listens. */
  get isServing(): boolean {
    return this.#isServing;
  }

  /** Replaces the worker whenever it ends, until `stop`. */
  async keep(): Promise<void> {
    const { signal } = this.#stopping;
    let delayMs = firstDelayMs;
    for (;;) {
      const startMs = performance.now();
      const how = await this.#ended;
      if (performance.now() - startMs >= healthyMs) delayMs = firstDelayMs;
      if (signal.aborted) return;
      tell(`sluice: Worker ${this.#number} ${how}; another one starts in ${delayMs / 1000} s`);
      // It rejects when that is aborted.
      await sleep(delayMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      delayMs = Math.min(delayMs * 2, longestDelayMs);
      this.#onReplace();
      await this.start().catch((error: Error) => tell(`sluice: Worker ${this.#number}: ${error.message}`));
    }
  }

  /** The options of the worker and of its successors. */
  reload(options: unknown): void {
    this.#mission = { ...this.#mission, options };
    if (this.#worker !== undefined) order(this.#worker, { kind: "reload", options });
  }

  /** Lets the worker finish what is under way, and resolves when it has ended. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    const worker = this.#worker;
    if (worker === undefined) return;
    const timer = setTimeout(() => worker.process.kill("SIGKILL"), this.#mission.shutdownMs + graceMs);
    // Before, it does not hear.
    await this.#begun;
    order(worker, { kind: "stop" });
    await this.#ended;
    clearTimeout(timer);
  }

  /** Its metrics, labelled with its number; undefined where it does not answer. */
  async snapshot(): Promise<Snapshot | undefined> {
    const worker = this.#worker;
    if (worker === undefined) return undefined;
    const question = ++this.#questions;
    const isAnswer = (message: FromWorker) => message.kind === "metrics" && message.question === question;
    const answered = report(worker, isAnswer, AbortSignal.timeout(answerMs));
    order(worker, { kind: "metrics", question });
    const answer = await answered;
    return answer?.kind === "metrics" ? withLabel(answer.snapshot, "worker", String(this.#number)) : undefined;
  }
}

/** Resolves when it listens. Rejects where it can't. */
async function begin(worker: Worker, options: unknown): Promise<void> {
  await report(worker, ({ kind }) => kind === "ready");
  const began = report(worker, ({ kind }) => kind === "listening" || kind === "failed");
  order(worker, { kind: "start", options });
  const answer = await began;
  if (answer?.kind === "failed") throw new Error(answer.message);
}

/** The first message of that sort; undefined once `waiting` is aborted. */
function report(
  worker: Worker,
  wanted: (message: FromWorker) => boolean,
  waiting?: AbortSignal,
): Promise<FromWorker | undefined> {
  return new Promise((resolve) => {
    const stop = (answer?: FromWorker) => {
      worker.off("message", listen);
      resolve(answer);
    };
    const listen = (message: FromWorker) => {
      if (wanted(message)) stop(message);
    };
    worker.on("message", listen);
    waiting?.addEventListener("abort", () => stop());
  });
}

function order(worker: Worker, message: ToWorker): void {
  // It may end at any time. Its end is told, not that a message did not arrive.
  if (worker.isConnected()) worker.send(message, undefined, undefined, () => undefined);
}

function ended(worker: Worker): Promise<string> {
  return new Promise((resolve) => {
    worker.once("exit", (code: number | null, signal: string | null) =>
      resolve(signal === null ? `ended with code ${String(code)}` : `was ended by ${signal}`),
    );
    worker.once("error", (error) => resolve(`failed: ${error.message}`));
  });
}
