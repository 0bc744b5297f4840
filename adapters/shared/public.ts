/** The types, and the error, that every entry exports. */
export { TransferError } from "../../core/error.ts";
export type { Ability, Capability } from "../../core/capabilities.ts";
export type { Explanation } from "../../core/explain.ts";
export type { Strategy } from "../../core/kernel.ts";
export type { Attempt, Copied, Report } from "../../core/report.ts";
export type { TransferOptions } from "../../core/request.ts";
export type {
  BunFileLike,
  BunSocketLike,
  CapabilityReport,
  CopyOptions,
  DenoConnLike,
  HasFd,
  InterfaceFeatures,
  RuntimeEnd,
  Source,
  Target,
} from "./api.ts";
