/** What the streams of this isolate and the engine of its process come to, as numbers to watch. */
import { censusRecord } from "../../core/abi/records.ts";
import { currentRuntime } from "../current.ts";
import { machineFor } from "../engine/machine.ts";
import { RecordMemory } from "../engine/record-memory.ts";
import { type StreamTotal, streamTotals } from "./totals.ts";

/** The engine's. It is one for all isolates of a process (Workers), and so are these. */
export interface EngineStats {
  /** Threads that move bytes; there are none while there is nothing to do for a while. */
  readonly threads: number;
  /** Runs of a mechanism on those threads: under way, and over since the start. A transfer that falls back has several, a small body none. */
  readonly jobs: { readonly running: number; readonly done: number };
  /** Connections that are joined by `proxy()`: pairs that are open, and those that have been closed. */
  readonly pairs: { readonly open: number; readonly done: number };
  /** Descriptors that it holds: duplicates of what it moves, pipes, and its own few. */
  readonly descriptors: number;
  /** Bytes. */
  readonly memory: {
    /** Memory of JavaScript, or a copy, that is being sent, or that the kernel still refers to. */
    readonly sends: number;
    /** What the kernel may hold in relay pipes, pooled ones too. */
    readonly pipes: number;
    /** Files that are mapped. */
    readonly mappings: number;
    /** Shared rings. */
    readonly rings: number;
  };
}

export interface Stats {
  /** Streams whose way is decided, by way and reason. At most 64 rows and one more of each way, with the reason "other". */
  readonly streams: readonly StreamTotal[];
  /** Undefined where there is no engine. */
  readonly engine: EngineStats | undefined;
}

function engineStats(): EngineStats | undefined {
  const machine = machineFor(currentRuntime());
  if (typeof machine === "string" || typeof machine.native === "string") return undefined;
  const { bytes, view } = new RecordMemory(censusRecord.size);
  machine.native.sluice_census(bytes);
  const read = (field: Parameters<typeof censusRecord.get>[1]) => censusRecord.get(view, field);
  return {
    threads: read("workers") + read("blocking_workers") + read("relays"),
    jobs: { running: read("running"), done: read("attempts") },
    pairs: { open: read("pairs"), done: read("pairs_closed") },
    descriptors: read("descriptors"),
    memory: {
      sends: read("memory_bytes"),
      pipes: read("pipe_bytes"),
      mappings: read("mapped_bytes"),
      rings: read("ring_bytes"),
    },
  };
}

/**
 * Totals since the start: of the streams of this isolate, and of the engine of its process. To be asked as often as one likes;
 * what it counts costs a stream nothing to speak of.
 */
export function stats(): Stats {
  return { streams: streamTotals(), engine: engineStats() };
}
