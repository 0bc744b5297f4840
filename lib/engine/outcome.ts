/** Jobs and outcomes of core as records of the ABI, and what is left of one when part of it is done. */
import { copyNotices, opcodes, requestFlags } from "../../core/abi/abi.ts";
import { outcomeRecord, requestRecord } from "../../core/abi/records.ts";
import { type Job, nothing, type Outcome } from "../../core/plan/kernel.ts";
import type { Copied } from "../../core/transfer/report.ts";
import type { RecordMemory } from "./record-memory.ts";

const sideNames = [undefined, "source", "target"] as const;
const copyAnswers = new Map<number, Copied>([
  [copyNotices.none, "no"],
  [copyNotices.some, "yes"],
]);
const endNames = ["done", "eof", "cancelled", "error"] as const;

export function failed(errno: number): Outcome {
  return { ...nothing, end: "error", errno };
}

/** `flags` are those of `requestFlags` that no job of core has. */
export function encode({ view }: RecordMemory, job: Job, flags = 0): void {
  const { strategy } = job;
  if (strategy === "portable") throw new TypeError("The engine has no portable strategy");
  requestRecord.set(view, "strategy", opcodes[strategy]);
  const dontcache = job.cache === "dontcache" ? requestFlags.dontcache : 0;
  const holes = job.keepsHoles ? requestFlags.holes : 0;
  requestRecord.set(view, "flags", flags | dontcache | holes | (job.givesWay ? requestFlags.give_way : 0));
  requestRecord.set(view, "offset", job.offset ?? -1);
  requestRecord.set(view, "length", job.length ?? -1);
  requestRecord.set(view, "target_offset", job.targetOffset ?? -1);
}

export function decode({ view }: RecordMemory, base: number): Outcome {
  return {
    bytes: outcomeRecord.get(view, "bytes", base),
    stranded: outcomeRecord.get(view, "stranded", base),
    end: endNames[outcomeRecord.get(view, "end", base)] ?? "error",
    errno: outcomeRecord.get(view, "error", base),
    failed: sideNames[outcomeRecord.get(view, "failed", base)],
    syscalls: outcomeRecord.get(view, "syscalls", base),
    waits: outcomeRecord.get(view, "waits", base),
    cpuNs: outcomeRecord.get(view, "cpu_ns", base),
    copied: copyAnswers.get(outcomeRecord.get(view, "copied", base)),
    held: outcomeRecord.get(view, "held", base),
  };
}

/** The two outcomes of one attempt that began on the calling thread and went on in the engine. */
export function sum(first: Outcome, rest: Outcome): Outcome {
  return {
    ...rest,
    bytes: first.bytes + rest.bytes,
    syscalls: first.syscalls + rest.syscalls,
    waits: first.waits + rest.waits,
    cpuNs: first.cpuNs + rest.cpuNs,
  };
}

/** What is left of a job when so many bytes have moved. */
export function after(job: Job, bytes: number): Job {
  const past = (position: number | undefined) => (position === undefined ? undefined : position + bytes);
  return {
    ...job,
    offset: past(job.offset),
    length: job.length === undefined ? undefined : job.length - bytes,
    targetOffset: past(job.targetOffset),
  };
}
