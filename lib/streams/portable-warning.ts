/** The warning of `sluice/register` where there is no engine. */
import process from "node:process";
import { machineFor } from "../engine/machine.ts";
import type { Runtime } from "../runtime.ts";

/** Whether the primary of this worker of node:cluster tells. pm2's is a daemon that has loaded nothing of the app's. */
async function isToldByPrimary(runtime: Runtime): Promise<boolean> {
  const { default: cluster } = await import("node:cluster");
  return cluster.isWorker && runtime.env("pm_id") === undefined;
}

/** Warns once a process: not in its Workers, nor in what node:cluster has forked from one that warns. */
export async function warnPortable(runtime: Runtime): Promise<void> {
  if (runtime.isWorker()) return;
  const machine = machineFor(runtime);
  // Where only descriptors were lacking, the next call may find an engine.
  if (typeof machine === "string" || typeof machine.native !== "string") return;
  if (await isToldByPrimary(runtime)) return;
  const text = `Streams go the runtime's own way, for there is no engine: ${machine.native}`;
  process.emitWarning(text, { type: "SluiceWarning", code: "SLUICE_PORTABLE" });
}
