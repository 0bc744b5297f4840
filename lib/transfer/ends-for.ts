/** The ends of a transfer as its options want them. */
import { argumentError, shown } from "../../core/error.ts";
import type { AbortSignalLike } from "../../core/options.ts";
import type { Request } from "../../core/transfer/request.ts";
import type { Target } from "../api.ts";
import type { Machine } from "../engine/machine.ts";
import { FdTarget } from "../ends/fd-target.ts";
import { targetOf } from "../ends/recognise.ts";
import { SnapshotSource } from "../ends/snapshot-source.ts";
import type { SourceEnd } from "../ends/source.ts";
import { WholeFileTarget } from "../ends/whole-file-target.ts";
import type { Ends } from "./move.ts";

/** @throws TypeError for what is no target, or not one for these options */
export function endsFor(
  machine: Machine,
  source: SourceEnd,
  to: Target,
  request: Request,
  signal: AbortSignalLike | undefined,
): Ends {
  const target = targetFor(machine, to, request, signal);
  const isSaved = request.consistency === "snapshot";
  return { source: isSaved ? new SnapshotSource(source, machine, request, signal) : source, target };
}

/** The target, with what is asked of a path alone. */
function targetFor(machine: Machine, to: Target, { atomic, durable }: Request, signal: AbortSignalLike | undefined) {
  if (!atomic && !durable) return targetOf(to, machine.runtime, signal);
  if (typeof to !== "string" && !(to instanceof URL))
    throw argumentError(
      "ERR_INVALID_ARG_VALUE",
      `${atomic ? "atomic" : "durable"} is for paths as targets, got ${shown(to)}`,
    );
  return atomic ? new WholeFileTarget(machine, to, durable) : new FdTarget(to, signal, durable);
}
