/** What a transfer is going to do: `transfer()` does it, `explain()` tells it. */
import { isSameFile, type Endpoint } from "../../core/plan/endpoint.ts";
import { argumentError, shown, TransferError } from "../../core/error.ts";
import type { AbortSignalLike, Request } from "../../core/transfer/request.ts";
import { type Plan, select } from "../../core/plan/select.ts";
import type { Target } from "../api.ts";
import { FdTarget } from "../ends/fd-target.ts";
import { targetOf } from "../ends/recognise.ts";
import { SnapshotSource } from "../ends/snapshot-source.ts";
import type { SourceEnd } from "../ends/source.ts";
import type { TargetEnd } from "../ends/target.ts";
import { WholeFileTarget } from "../ends/whole-file-target.ts";
import { Lease } from "../lease/lease.ts";
import type { Machine } from "../engine/machine.ts";

/** The ends of a transfer as its options want them. None is opened yet. */
export interface Ends {
  readonly source: SourceEnd;
  readonly target: TargetEnd;
}

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

export interface Decision {
  readonly plan: Plan;
  /** Whether the target is a file that has to lose its old content first. */
  readonly emptying: boolean;
}

/**
 * Decides by what the ends are. A path as target starts at its beginning, in a file that is emptied; but never in the
 * source itself.
 */
export function decide(
  machine: Machine,
  from: Endpoint,
  to: Endpoint,
  asked: Request,
  path: string | undefined,
): Decision {
  const emptying = path !== undefined && asked.targetOffset === undefined && to.kind === "file";
  if (emptying && isSameFile(from, to))
    throw new TransferError(`Cannot send ${from.name}: source and target are the same file`, {
      code: "ERR_SLUICE_OVERLAP",
    });
  if (asked.consistency === "leased" && from.kind === "file") Lease.foresee(machine, from, to);
  return { plan: select(from, to, emptying ? { ...asked, targetOffset: 0 } : asked, machine.knowledge), emptying };
}
