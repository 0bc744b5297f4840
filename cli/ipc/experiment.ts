/** The articles' experiment: a process that sends a file, and another that writes what it receives to a file. */
import { type ChildProcess, fork } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { rm } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { TransferError } from "../../core/error.ts";
import type { Answer, Order, Share } from "./child.ts";
import type { Method, Sizes } from "./methods.ts";

const ownProgram = fileURLToPath(new URL("child.js", import.meta.url));

/** One process of the two. */
class Party {
  readonly child: ChildProcess;
  readonly #role: string;

  constructor(role: string, program: string) {
    this.#role = role;
    // Ctrl-C is for the experiment, which ends them.
    this.child = fork(program, [], { stdio: ["ignore", "ignore", "inherit", "ipc"], detached: true });
  }

  /** Gives an order and answers what came of it. */
  ask<K extends Answer["kind"]>(order: Order, expected: K): Promise<Extract<Answer, { kind: K }>> {
    return new Promise((resolve, reject) => {
      const settle = (how: () => void) => {
        this.child.off("message", heard).off("exit", ended).off("error", reject);
        how();
      };
      const heard = (answer: Answer) =>
        settle(() => {
          if (answer.kind === expected) resolve(answer as Extract<Answer, { kind: K }>);
          else reject(this.#failed(answer));
        });
      const ended = (code: number | null, signal: string | null) =>
        settle(() => reject(this.#error(`ended with ${signal ?? code}`, undefined)));
      this.child.on("message", heard).on("exit", ended).on("error", reject);
      this.child.send(order);
    });
  }

  #failed(answer: Answer): Error {
    if (answer.kind === "failed") return this.#error(answer.message, answer.code);
    return this.#error(`answered ${answer.kind}`, undefined);
  }

  #error(why: string, code: string | undefined): Error {
    return new TransferError(`Cannot go on: the ${this.#role}: ${why}`, { code: code ?? "ERR_SLUICE_FAILED" });
  }

  kill(): void {
    this.child.kill("SIGKILL");
  }
}

/** One way of the file, and what it took. */
export interface Run {
  /** From the first process's start to the last one's end, in nanoseconds. */
  readonly ns: number;
  readonly sender: Share;
  readonly receiver: Share;
}

/** Two processes that stay for all rounds: their start is nobody's time. */
export class Experiment implements Disposable {
  readonly #sender: Party;
  readonly #receiver: Party;

  /** @param program what the two run, if not child.js alone: something that loads it */
  constructor(program = ownProgram) {
    this.#sender = new Party("sender", program);
    this.#receiver = new Party("receiver", program);
  }

  /** For whoever looks at them from outside. */
  get processes(): readonly ChildProcess[] {
    return [this.#sender.child, this.#receiver.child];
  }

  /** Sends a file from one process to the other, which writes it to a new file. */
  async run(method: Method, file: string, target: string, sizes: Sizes = {}): Promise<Run> {
    await rm(target, { force: true });
    const { path } = await this.#sender.ask({ kind: "make", method, sizes }, "path");
    await this.#receiver.ask({ kind: "open", method, path }, "opened");
    const [sender, receiver] = await both(
      this.#sender.ask({ kind: "send", file }, "share"),
      this.#receiver.ask({ kind: "receive", target }, "share"),
    );
    const shares = [sender.share, receiver.share] as const;
    const ns = Math.max(...shares.map(({ endNs }) => endNs)) - Math.min(...shares.map(({ startNs }) => startNs));
    return { ns, sender: sender.share, receiver: receiver.share };
  }

  [Symbol.dispose](): void {
    this.#sender.kill();
    this.#receiver.kill();
  }
}

/** Waits for both, and tells of every failure: whose death is the cause, and whose the consequence, is not for us to guess. */
async function both<A, B>(sender: Promise<A>, receiver: Promise<B>): Promise<readonly [A, B]> {
  const settled = await Promise.allSettled([sender, receiver]);
  const [sent, received] = settled;
  if (sent.status === "fulfilled" && received.status === "fulfilled") return [sent.value, received.value];
  const failures = settled.flatMap((each) => (each.status === "rejected" ? [each.reason as Error] : []));
  const [first] = failures;
  if (failures.length < 2 || !(first instanceof TransferError)) throw first ?? new Error("Nothing failed");
  const why = failures.map(({ message }) => message.replace(/^Cannot .*?: /, "")).join("; ");
  throw new TransferError(`Cannot go on: ${why}`, { code: first.code, cause: failures[1] });
}

/** The content's sha256; reading it also brings the pages into memory, for all rounds alike. */
export async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path, { highWaterMark: 4 * 1024 * 1024 }), hash);
  return hash.digest("hex");
}
