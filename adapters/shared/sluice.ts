/** The public functions, bound to one runtime. The machine is looked at when the first of them is called. */
import { interfaceRecord, nicFlags } from "../../core/abi.ts";
import { errnoName } from "../../core/errno.ts";
import { TransferError } from "../../core/error.ts";
import type { Explanation } from "../../core/explain.ts";
import type { Report } from "../../core/report.ts";
import type { TransferOptions } from "../../core/request.ts";
import type { CapabilityReport, CopyOptions, InterfaceFeatures, Source, Target } from "./api.ts";
import { copyFile } from "./copy/copy-file.ts";
import { RecordMemory } from "./engine.ts";
import { explain } from "./explain.ts";
import { callFailed } from "./system-error.ts";
import { type Machine, machineOf } from "./machine.ts";
import type { Runtime } from "./runtime.ts";
import { transfer } from "./transfer.ts";

export interface Sluice {
  transfer(source: Source, target: Target, options?: TransferOptions): Promise<Report>;
  copyFile(from: string | URL, to: string | URL, options?: CopyOptions): Promise<Report>;
  explain(source: Source, target: Target, options?: TransferOptions): Promise<Explanation>;
  capabilities(): CapabilityReport;
  interfaceFeatures(name: string): InterfaceFeatures;
}

function interfaceFeatures({ native }: Machine, name: string): InterfaceFeatures {
  if (typeof native === "string")
    throw new TransferError(`Cannot ask ${name}: ${native}`, { code: "ERR_SLUICE_UNSUPPORTED" });
  const record = new RecordMemory(interfaceRecord.size);
  const answer = native.sluice_interface(new TextEncoder().encode(`${name}\0`), record.bytes);
  if (answer < 0) throw callFailed(`ask ${name}`, "ioctl", errnoName(-answer));
  const features = interfaceRecord.get(record.view, "features");
  const has = (flag: keyof typeof nicFlags) => (features & nicFlags[flag]) !== 0;
  return { scatterGather: has("scatterGather"), tso: has("tso"), txChecksum: has("txChecksum") };
}

export function createSluice(runtime: Runtime): Sluice {
  const known = () => machineOf(runtime);
  return {
    // Asynchronous as a whole: an engine that can't start (EMFILE) rejects, and is tried again at the next call.
    transfer: async (source, target, options) => transfer(known(), source, target, options),
    copyFile: async (from, to, options) => copyFile(known(), from, to, options),
    explain: async (source, target, options) => explain(known(), source, target, options),
    capabilities: () => known().report(),
    interfaceFeatures: (name) => interfaceFeatures(known(), name),
  };
}
