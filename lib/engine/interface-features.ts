/** What a network interface offloads. */
import { nicFlags } from "../../core/abi/numbers.ts";
import { errnoName } from "../../core/abi/errno.ts";
import { interfaceRecord } from "../../core/abi/records.ts";
import { TransferError } from "../../core/error.ts";
import type { InterfaceFeatures } from "../api.ts";
import { callFailed } from "../support/system-error.ts";
import type { Machine } from "./machine.ts";
import { RecordMemory } from "./record-memory.ts";

export function interfaceFeatures({ native }: Machine, name: string): InterfaceFeatures {
  if (typeof native === "string")
    throw new TransferError(`Cannot ask ${name}: ${native}`, { code: "ERR_SLUICE_UNSUPPORTED" });
  const record = new RecordMemory(interfaceRecord.size);
  const answer = native.sluice_interface(new TextEncoder().encode(`${name}\0`), record.bytes);
  if (answer < 0) throw callFailed(`ask ${name}`, "ioctl", errnoName(-answer));
  const features = interfaceRecord.get(record.view, "features");
  const has = (flag: keyof typeof nicFlags) => (features & nicFlags[flag]) !== 0;
  return { scatterGather: has("scatterGather"), tso: has("tso"), txChecksum: has("txChecksum") };
}
