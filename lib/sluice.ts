/** The public functions, bound to one runtime. The machine is looked at when the first of them is called. */
import { nicFlags } from "../core/abi/abi.ts";
import { interfaceRecord } from "../core/abi/records.ts";
import { errnoName } from "../core/abi/errno.ts";
import { TransferError } from "../core/error.ts";
import type { Explanation } from "../core/plan/explain.ts";
import type { ProxyOptions, ProxyReport } from "../core/proxy.ts";
import type { Report } from "../core/transfer/report.ts";
import type { TransferOptions } from "../core/transfer/request.ts";
import type { TeeOptions, TeeReport } from "../core/tee.ts";
import type { LeaseType } from "../core/lease.ts";
import type { RingOptions } from "../core/ring.ts";
import type { MapOptions } from "../core/mapping.ts";
import type {
  CapabilityReport,
  CopyOptions,
  HasFd,
  InterfaceFeatures,
  LeaseOptions,
  LeaseSource,
  MappedFile,
  ProxyEnd,
  Source,
  Target,
} from "./api.ts";
import type { FileChannel } from "./channel/file-channel.ts";
import { openFile } from "./channel/open-file.ts";
import { copyFile } from "./copy/copy-file.ts";
import { RecordMemory } from "./engine/record-memory.ts";
import { type Lease, lease } from "./lease/lease.ts";
import { explain } from "./transfer/explain.ts";
import { callFailed } from "./support/system-error.ts";
import { type Machine, machineOf } from "./engine/machine.ts";
import { map, type Mappable } from "./map/map.ts";
import { proxy } from "./proxy/proxy.ts";
import type { Runtime } from "./runtime.ts";
import { createPipe, createRing, openRing, type Pipe } from "./ring/create.ts";
import type { SharedRing } from "./ring/shared-ring.ts";
import { tee } from "./tee/tee.ts";
import { transfer } from "./transfer/transfer.ts";

export interface Sluice {
  transfer(source: Source, target: Target, options?: TransferOptions): Promise<Report>;
  tee(source: Source, targets: readonly Target[], options?: TeeOptions): Promise<TeeReport>;
  copyFile(from: string | URL, to: string | URL, options?: CopyOptions): Promise<Report>;
  openFile(path: string | URL, flags?: string | number, mode?: number): Promise<FileChannel>;
  lease(source: LeaseSource, type: LeaseType, options?: LeaseOptions): Promise<Lease>;
  explain(source: Source, target: Target, options?: TransferOptions): Promise<Explanation>;
  map(file: Mappable, options?: MapOptions): MappedFile;
  proxy(a: ProxyEnd, b: ProxyEnd, options?: ProxyOptions): Promise<ProxyReport>;
  createRing(options?: RingOptions): Promise<SharedRing>;
  openRing(ring: string | URL | number | HasFd): Promise<SharedRing>;
  createPipe(options?: { readonly bytes?: number | undefined }): Promise<Pipe>;
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

/** What throws at once rejects instead. An async function would do so too, for three turns of the microtask queue. */
function rejecting<T>(call: () => Promise<T>): Promise<T> {
  try {
    return call();
  } catch (error) {
    return Promise.reject(error);
  }
}

export function createSluice(runtime: Runtime): Sluice {
  const known = () => machineOf(runtime);
  return {
    // Asynchronous as a whole: an engine that can't start (EMFILE) rejects, and is tried again at the next call.
    transfer: (source, target, options) => rejecting(() => transfer(known(), source, target, options)),
    tee: async (source, targets, options) => tee(known(), source, targets, options),
    copyFile: async (from, to, options) => copyFile(known(), from, to, options),
    openFile: async (path, flags, mode) => openFile(known(), path, flags, mode),
    lease: async (source, type, options) => lease(known(), source, type, options),
    explain: async (source, target, options) => explain(known(), source, target, options),
    map: (file, options) => map(known(), file, options),
    proxy: async (a, b, options) => proxy(known(), a, b, options),
    createRing: async (options) => createRing(known(), options),
    openRing: async (ring) => openRing(known(), ring),
    createPipe: async (options) => createPipe(known(), options),
    capabilities: () => known().report(),
    interfaceFeatures: (name) => interfaceFeatures(known(), name),
  };
}
