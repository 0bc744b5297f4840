/** Says what a transfer would do, without doing any of it. */
import type { Explanation } from "../../core/explain/explanation.ts";
import { withPaths } from "../../core/error.ts";
import { checkOptions, type TransferOptions } from "../../core/transfer/request.ts";
import type { Source, Target } from "../api.ts";
import { decide } from "./decide.ts";
import { endsFor } from "./ends-for.ts";
import { closeFd, openSource } from "../ends/open-path.ts";
import { sourceOf } from "../ends/recognise.ts";
import { codeOf } from "../support/system-error.ts";
import type { Machine } from "../engine/machine.ts";

/**
 * What tells a plan to a person is loaded when it is first wanted: an import of the package has no time for it. Node 20
 * keeps an import() that failed for good, so that none is begun while no descriptor is left.
 */
async function loadTelling({ runtime }: Machine): Promise<typeof import("../../core/explain/explanation.ts")> {
  // Deno, which would ask a terminal for this file, has what may be imported from the start on.
  if (runtime.guardsSystem !== true) await checkDescriptors();
  return import("../../core/explain/explanation.ts");
}

/** @throws TransferError `EMFILE`, `ENFILE` */
async function checkDescriptors(): Promise<void> {
  try {
    await closeFd((await openSource(new URL(import.meta.url))).fd);
  } catch (error) {
    // Whether this file may be read is the loader's to know, not ours.
    if (codeOf(error) === "EMFILE" || codeOf(error) === "ENFILE") throw error;
  }
}

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
    return (await loadTelling(machine)).explainPlan(plan);
  } catch (error) {
    throw withPaths(error, { path: source.path, dest: target.path });
  } finally {
    await Promise.allSettled([source.end(false), target.end(false, false)]);
  }
}
