/** Tells which way each stream went: to who asks, to the diagnostics channel, and to stderr under SLUICE_DEBUG or NODE_DEBUG. */
import { channel } from "node:diagnostics_channel";
import type { Readable, Writable } from "node:stream";
import type { Copied, Strategy } from "../../core/plan/kernel.ts";
import { slot } from "../support/slot.ts";
import type { Surroundings } from "./hooks/surroundings.ts";
import type { Tally } from "./hand-over/tally.ts";

export interface StreamReport {
  /** Whether bytes went past JavaScript. False: all of them went Node's own way. */
  readonly native: boolean;
  /** Why it went that way. */
  readonly reason: string;
  /** Bytes that went past JavaScript. */
  readonly bytes: number;
  /** The mechanism that moved them; undefined where none did. */
  readonly strategy: Strategy | undefined;
  readonly copied: Copied | undefined;
  /** System calls of the engine. */
  readonly syscalls: number;
  /** How often the engine waited for an end to become ready. */
  readonly waits: number;
  /** CPU time of the engine's threads, in nanoseconds. */
  readonly cpuNs: number;
}

/** What `sluice:transfer` publishes, once a stream. */
export interface StreamMessage extends StreamReport {
  readonly source: Readable;
  readonly target: Writable | undefined;
}

const transfers = channel("sluice:transfer");
const reports = slot<StreamReport>();

/** Which way the stream went and why; undefined while that is not decided. */
export function report(stream: Readable): StreamReport | undefined {
  return reports.get(stream);
}

export function tell(
  source: Readable,
  target: Writable | undefined,
  tally: Tally,
  reason: string,
  { debug, checks }: Surroundings,
): void {
  const { bytes, strategy, copied, syscalls, waits, cpuNs } = tally;
  const told: StreamReport = { native: bytes > 0, reason, bytes, strategy, copied, syscalls, waits, cpuNs };
  reports.set(source, told);
  // A trial's stream is not the app's.
  if (checks === undefined) return;
  if (transfers.hasSubscribers) transfers.publish({ ...told, source, target } satisfies StreamMessage);
  if (debug === undefined) return;
  const name = "path" in source && source.path !== undefined ? String(source.path) : source.constructor.name;
  const way = bytes > 0 ? `${String(bytes)} bytes by ${strategy ?? "?"}` : "Node's own way";
  debug(`${name}: ${way}: ${reason}`);
}
