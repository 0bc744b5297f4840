/** Says what a transfer would do, without doing any of it. */
import { type Explanation, explainPlan } from "../../core/explain/explanation.ts";
import { withPaths } from "../../core/error.ts";
import { checkOptions, type TransferOptions } from "../../core/transfer/request.ts";
import type { Source, Target } from "../api.ts";
import { decide } from "./decide.ts";
import { endsFor } from "./ends-for.ts";
import { sourceOf } from "../ends/recognise.ts";
import type { Machine } from "../engine/machine.ts";

/** Explains; see the entry of each runtime for the contract. */
export async function explain(
  machine: Machine,
  from: Source,
  to: Target,
  options: TransferOptions = {},
): Promise<Explanation> {
  const given = sourceOf(from, machine.runtime);
  const asked = checkOptions(options);
  const { source, target } = endsFor(machine, given, to, asked, options.signal);
  try {
    target.refuse?.();
    const found = (await source.look?.(machine)) ?? source.inspect(machine.native);
    const place = (await target.look?.(machine)) ?? target.inspect(machine.native);
    const { plan } = decide(machine, found, place, asked, target.path);
    return explainPlan(plan);
  } catch (error) {
    throw withPaths(error, { path: source.path, dest: target.path });
  } finally {
    await Promise.allSettled([source.end(false), target.end(false, false)]);
  }
}
