/** The types, and the error, that every entry exports. */
export { TransferError } from "../../core/error.ts";
export { TeeError } from "../../core/tee.ts";
export type { TeeOptions, TeeReport, TeeStrategy, TeeTargetReport } from "../../core/tee.ts";
export type { Ability, Capability, CapabilityReport, EngineCapability } from "../../core/plan/capabilities.ts";
export type { Explanation } from "../../core/explain/explanation.ts";
export type { Consistency, LeaseType, OnLeaseBreak } from "../../core/lease.ts";
export type { CacheMode, Copied, Strategy } from "../../core/plan/kernel.ts";
export type { MapMode, MapOptions, MapPolicy } from "../../core/mapping.ts";
export type {
  ProxyEnding,
  ProxyFailure,
  ProxyFlow,
  ProxyReport,
  ProxySide,
  ProxyStrategy,
} from "../../core/proxy-report.ts";
export type { ProxyOptions, ProxyProgress } from "../../core/proxy.ts";
export type { Attempt, Report } from "../../core/transfer/report.ts";
export type { TransferOptions } from "../../core/transfer/request.ts";
export type { Lease, LeaseBreak } from "../lease/lease.ts";
export type {
  BunFileLike,
  BunSocketLike,
  CopyOptions,
  DenoConnLike,
  HasFd,
  InterfaceFeatures,
  LeaseOptions,
  LeaseSource,
  ProxyEnd,
  ReadableStreamLike,
  RuntimeEnd,
  Source,
  Target,
} from "../api.ts";
export type { MapAdvice, MappedFile, Residency } from "../map/mapped-file.ts";
export type { ChannelTransferOptions } from "../channel/options.ts";
export type { FileChannel } from "../channel/file-channel.ts";
export type { FileLock } from "../channel/locks.ts";
export type { Mappable } from "../map/map.ts";
export type { RingOptions } from "../../core/ring.ts";
export type { Pipe, PipeEnd } from "../ring/create.ts";
export type { RingStatus } from "../ring/ring-side.ts";
export type { RingCallOptions, SharedRing } from "../ring/shared-ring.ts";
