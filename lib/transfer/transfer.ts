/** One transfer, from its arguments to its report. */
import { withPaths } from "../../core/error.ts";
import type { Report } from "../../core/transfer/report.ts";
import { checkOptions, type TransferOptions } from "../../core/transfer/request.ts";
import type { Source, Target } from "../api.ts";
import type { Cancellation } from "./cancellation.ts";
import { endsFor } from "./ends-for.ts";
import { LeasedTransfer } from "../lease/leased.ts";
import type { Machine } from "../engine/machine.ts";
import { sourceOf } from "../ends/recognise.ts";
import type { SourceEnd } from "../ends/source.ts";
import { move, type TransferHooks } from "./move.ts";

/**
 * Moves bytes from source to target; see the entry of each runtime for the contract. Throws where `from` is no source.
 */
export function transfer(machine: Machine, from: Source, to: Target, options: TransferOptions = {}): Promise<Report> {
  return transferFrom(machine, sourceOf(from, machine.runtime), to, options);
}

/** The same from a source that has been recognised. Not asynchronous by itself: that would cost turns of the microtask queue. */
export function transferFrom(
  machine: Machine,
  given: SourceEnd,
  to: Target,
  options: TransferOptions,
  hooks?: TransferHooks,
): Promise<Report> {
  const started = performance.now();
  try {
    const request = checkOptions(options);
    // Read once: the options stay the caller's.
    const { signal, onProgress } = options;
    const ends = endsFor(machine, given, to, request, signal);
    const guard =
      request.consistency === "leased"
        ? (cancellation: Cancellation) => LeasedTransfer.hold(machine, ends.source, request, cancellation)
        : undefined;
    return move(machine, ends, { request, signal, onProgress, hooks, guard, started });
  } catch (error) {
    return Promise.reject(withPaths(error, { path: given.path }));
  }
}
