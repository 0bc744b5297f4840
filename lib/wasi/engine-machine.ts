/** A machine that has the engine: what a plugin is lent. */
import type { Native } from "../../core/abi/abi.ts";
import { TransferError } from "../../core/error.ts";
import type { Engine } from "../engine/engine.ts";
import type { Machine } from "../engine/machine.ts";

export type EngineMachine = Machine & { readonly native: Native; readonly engine: Engine };

/** @throws TransferError `ERR_SLUICE_UNSUPPORTED`, saying why there is no engine */
export function withEngine(machine: Machine): EngineMachine {
  const { native, engine } = machine;
  if (typeof native === "string" || engine === undefined)
    throw new TransferError(`Cannot lend the engine: ${typeof native === "string" ? native : "there is none"}`, {
      code: "ERR_SLUICE_UNSUPPORTED",
    });
  return machine as EngineMachine;
}
