/** What a guest's engine moves: planned, paid for, and run on this thread. */
import { ftruncateSync } from "node:fs";
import { asNew, type Endpoint } from "../../core/plan/endpoint.ts";
import { TransferError } from "../../core/error.ts";
import type { Report } from "../../core/transfer/report.ts";
import { checkOptions, type TransferOptions } from "../../core/transfer/request.ts";
import { type Plan, selectWhole } from "../../core/plan/select.ts";
import { driveSync, transferLoop } from "../../core/transfer/loop.ts";
import { inspectFd } from "../ends/inspect-fd.ts";
import type { Budget } from "./budget.ts";
import type { EngineMachine } from "./engine-machine.ts";
import type { OpenHandle } from "./lent-files.ts";

/** The plan of a transfer between two ends that the budget allows, and whether the target is emptied first. */
export function decide(
  machine: EngineMachine,
  budget: Budget,
  source: Endpoint,
  target: Endpoint,
  options: TransferOptions,
): { readonly plan: Plan; readonly emptying: boolean } {
  // A call that may not wait never takes the portable path: `buffered` serves every pair of files.
  const asked = checkOptions({ ...options, fallback: false });
  const { plan, emptying } = selectWhole(source, target, asked, machine.knowledge);
  checkPlan(budget, plan);
  return { plan, emptying };
}

/** Moves what the options say between two open files; `onStart` is called when nothing can refuse any more. */
export function move(
  machine: EngineMachine,
  budget: Budget,
  from: OpenHandle,
  to: OpenHandle,
  options: TransferOptions,
  onStart?: () => void,
): Report {
  const target = inspectFd(machine.native, to.fd, to.name);
  const ends = [inspectFd(machine.native, from.fd, from.name), to.created === true ? asNew(target) : target] as const;
  const { plan, emptying } = decide(machine, budget, ...ends, options);
  onStart?.();
  if (emptying) ftruncateSync(to.fd, 0);
  return runPlan(machine, budget, plan, from.fd, to.fd);
}

/** Whether the budget allows it, before anything is changed. */
function checkPlan(budget: Budget, { source, length, targetOffset }: Plan): number {
  if (length === undefined)
    throw new TransferError(`Cannot send ${source.name}: its size is unknown`, { code: "ERR_SLUICE_UNSUPPORTED" });
  budget.checkFile((targetOffset ?? 0) + length);
  budget.check(length);
  return length;
}

/** Runs a plan on this thread, within the budget. */
export function runPlan(machine: EngineMachine, budget: Budget, plan: Plan, source: number, target: number): Report {
  const started = performance.now();
  budget.spend(checkPlan(budget, plan));
  const account = driveSync(transferLoop(plan, machine.capabilities), (job) => machine.engine.run(source, target, job));
  return { ...account, leaseBroken: false, durationNs: Math.round((performance.now() - started) * 1e6) };
}
