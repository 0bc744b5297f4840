/** Tells which way each stream went: to who asks, to the diagnostics channel, and to stderr under SLUICE_DEBUG or NODE_DEBUG. */
import { channel } from "node:diagnostics_channel";
import { ReadStream } from "node:fs";
import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { Readable, type Writable } from "node:stream";
import type { Copied, Strategy } from "../../core/plan/kernel.ts";
import { machineFor } from "../engine/machine.ts";
import type { Runtime } from "../runtime.ts";
import { slot } from "../support/slot.ts";
import { answerQuestion } from "./asked.ts";
import { bodyOf } from "./body.ts";
import type { Surroundings } from "./hooks/surroundings.ts";
import { count } from "./totals.ts";
import { Tally } from "./hand-over/tally.ts";

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

/** What the app tells of a response to who may ask: see asked.ts. */
export interface StreamAnswer extends StreamReport {
  /** Why there is no engine; undefined where there is one. */
  readonly engine?: string | undefined;
}

function engineOf(runtime: Runtime): string | undefined {
  const machine = machineFor(runtime);
  if (typeof machine === "string") return machine;
  return typeof machine.native === "string" ? machine.native : undefined;
}

function toldOf({ bytes, strategy, copied, syscalls, waits, cpuNs }: Tally, reason: string): StreamReport {
  return { native: bytes > 0, reason, bytes, strategy, copied, syscalls, waits, cpuNs };
}

const transfers = channel("sluice:transfer");
const reports = slot<StreamReport>();

/** Why no stream of its kind is handed over, so that nothing is decided of any. */
function foreignReason(stream: Readable): string | undefined {
  if (stream instanceof ReadStream || stream instanceof Socket || stream instanceof IncomingMessage) return undefined;
  const { name } = stream.constructor;
  // node:http2 is asked for by nobody else.
  return name.includes("Http2")
    ? "HTTP/2 is unpacked in the process"
    : `the source is not a file, a socket or a message of node:http but ${name}`;
}

/** Which way the stream went and why; undefined while that is not decided. */
export function report(stream: Readable): StreamReport | undefined {
  const told = reports.get(stream);
  if (told !== undefined || !(stream instanceof Readable)) return told;
  const reason = foreignReason(stream);
  return reason === undefined ? undefined : toldOf(new Tally(), reason);
}

/** Counts what the runtime has read of a stream; a listener that all streams share. */
function countRest(this: Readable): void {
  this.off("end", countRest).off("close", countRest);
  const told = reports.get(this);
  const { bytesRead = bodyOf(this)?.came ?? 0 } = this as { readonly bytesRead?: number };
  if (told !== undefined && bytesRead > told.bytes) count("portable", told.reason, 0, bytesRead - told.bytes);
}

function countRestOf(source: Readable): void {
  if (source.closed) countRest.call(source);
  // One that doesn't close by itself ends.
  else source.on("end", countRest).on("close", countRest);
}

/** `goesOn`: the runtime has read of the source, or will. */
export function tell(
  source: Readable,
  target: Writable | undefined,
  tally: Tally,
  reason: string,
  goesOn: boolean,
  { runtime, debug, checks }: Surroundings,
): void {
  const told = toldOf(tally, reason);
  const { bytes, strategy } = told;
  const before = reports.get(source);
  reports.set(source, told);
  // A trial's stream is not the app's.
  if (checks === undefined) return;
  const way = bytes > 0 ? (strategy ?? "portable") : "portable";
  // A stream that is handed over again counts once.
  count(way, reason, before === undefined ? 1 : 0, bytes - (before?.bytes ?? 0));
  if (goesOn && before === undefined) countRestOf(source);
  if (transfers.hasSubscribers) transfers.publish({ ...told, source, target } satisfies StreamMessage);
  // Where the user's id wants a permission of its own, nobody is asked for one on the way of a response.
  if (target instanceof ServerResponse && runtime.guardsSystem !== true)
    answerQuestion(target, () => ({ ...told, engine: engineOf(runtime) }) satisfies StreamAnswer);
  if (debug === undefined) return;
  const name = "path" in source && source.path !== undefined ? String(source.path) : source.constructor.name;
  const done = bytes > 0 ? `${String(bytes)} bytes by ${strategy ?? "?"}` : "Node's own way";
  debug(`${name}: ${done}: ${reason}`);
}
