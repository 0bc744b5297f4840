/** What a transfer is going to do: `transfer()` does it, `explain()` tells it. */
import { type Endpoint } from "../../core/plan/endpoint.ts";
import { isEmptied } from "../../core/plan/ends-check.ts";
import { selectWhole, type WholePlan } from "../../core/plan/select.ts";
import type { TransferRequest } from "../../core/transfer/request.ts";
import { Lease } from "../lease/lease.ts";
import type { Machine } from "../engine/machine.ts";

/** Decides by what the ends are. Only a target that is a path is one as a whole. */
export function decide(
  machine: Machine,
  from: Endpoint,
  to: Endpoint,
  asked: TransferRequest,
  path: string | undefined,
): WholePlan {
  const emptying = path !== undefined && isEmptied(from, to, asked);
  if (asked.consistency === "leased" && from.kind === "file") Lease.foresee(machine, from, to);
  return selectWhole(from, to, asked, machine.knowledge, emptying);
}
