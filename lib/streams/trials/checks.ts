/**
 * Which kinds of hand-over have been proven in this isolate. The trials run in the background, once; until then, and for
 * good where one fails, streams of that kind go the runtime's own way.
 */
import process from "node:process";
import type { Native } from "../../../core/abi/abi.ts";
import { delay } from "../../support/delay.ts";
import { machineFor } from "../../engine/machine.ts";
import type { Runtime } from "../../runtime.ts";
import { Bed } from "./bed.ts";
import type { Kind, Proven } from "../hooks/surroundings.ts";
import { type Hooks, Objection, trials } from "./trials.ts";

/** What is known of one kind of hand-over. */
export interface StreamCheck {
  /** What is handed over, and to what: "file to response", "socket to file" and the like. */
  readonly kind: string;
  /** Whether streams of that kind are handed over. */
  readonly ok: boolean;
  /** What was found where they aren't, else what was relied on. */
  readonly reason: string;
}

/** A trial takes milliseconds; one that takes so many will never end. */
const hangMs = 30_000;

const pendingReason = `what a hand-over relies on in ${process.version} is being tried`;

/** What came of a trial. */
interface Verdict {
  /** Why such streams are not handed over, or undefined. */
  readonly objection?: string;
  /** Whether the runtime did something else than is relied on. */
  readonly hasFailed?: boolean;
}

function judge(kind: Kind, error: unknown): Verdict {
  const reason = error instanceof Error ? error.message : String(error);
  if (error instanceof Objection) return { objection: `${kind} can't be tried: ${reason}` };
  return { objection: `${process.version} failed the trial of ${kind}: ${reason}`, hasFailed: true };
}

async function attempt(kind: Kind, native: Native, hooks: Hooks): Promise<Verdict> {
  const bed = new Bed(native);
  const over = new AbortController();
  const hangs = delay(hangMs, { ref: false, signal: over.signal }).then(() => {
    if (!over.signal.aborted) throw new Error("it did not end");
  });
  try {
    await Promise.race([trials[kind]?.run(bed, hooks), hangs]);
    return {};
  } catch (error) {
    return judge(kind, error);
  } finally {
    over.abort();
    bed.close();
  }
}

export class Checks implements Proven {
  readonly #runtime: Runtime;
  readonly #hooks: Hooks;
  readonly #isOff: boolean;
  readonly #found = new Map<Kind, Verdict>();
  #running: Promise<void> | undefined;

  /** `isOff`: nothing is handed over here at all. */
  constructor(runtime: Runtime, hooks: Hooks, isOff: boolean) {
    this.#runtime = runtime;
    this.#hooks = hooks;
    this.#isOff = isOff;
  }

  /** The kinds that there can be here at all. */
  get #kinds(): readonly Kind[] {
    const kinds = Object.keys(trials) as Kind[];
    return this.#runtime.unsupported.socketStreams === undefined
      ? kinds
      : kinds.filter((kind) => kind.startsWith("file"));
  }

  /** Tries all kinds, if that hasn't been done. Never rejects. */
  run(): Promise<void> {
    return (this.#running ??= this.#run());
  }

  async #run(): Promise<void> {
    if (this.#isOff) return;
    const machine = machineFor(this.#runtime);
    // Without an engine nothing is handed over, and that reason is told.
    if (typeof machine === "string" || typeof machine.native === "string") return;
    for (const kind of this.#kinds) this.#found.set(kind, await attempt(kind, machine.native, this.#hooks));
    const failures = [...this.#found.values()].filter(({ hasFailed }) => hasFailed);
    if (failures.length === 0) return;
    const reasons = failures.map(({ objection }) => objection).join("; ");
    process.emitWarning(`Such streams go the runtime's own way: ${reasons}`, "SluiceWarning");
  }

  isPending(kind: Kind): boolean {
    return !this.#found.has(kind);
  }

  objection(kind: Kind): string | undefined {
    if (trials[kind] === undefined) return `nothing is handed over from ${kind}`;
    if (!this.isPending(kind)) return this.#found.get(kind)?.objection;
    void this.run();
    return pendingReason;
  }

  get found(): readonly StreamCheck[] {
    return [...this.#found].map(([kind, { objection }]) => {
      const relied = trials[kind]?.relies.join("; ") ?? "";
      return { kind, ok: objection === undefined, reason: objection ?? relied };
    });
  }
}
