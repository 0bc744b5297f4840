/** What a transfer is going to do: `transfer()` does it, `explain()` tells it. */
import { TransferError } from "../../core/error.ts";
import { isSameFile, type Endpoint } from "../../core/plan/endpoint.ts";
import { type Plan, select } from "../../core/plan/select.ts";
import type { Request } from "../../core/transfer/request.ts";
import type { Machine } from "../engine/machine.ts";
import { Lease } from "../lease/lease.ts";

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
