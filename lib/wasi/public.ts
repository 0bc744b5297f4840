/** The types that every entry of `sluice/wasi` exports. */
export type {
  GuestCapabilities,
  GuestCopyOptions,
  GuestExplanation,
  GuestReport,
  GuestTransfer,
  GuestTransferOptions,
} from "./guest-transfer.ts";
export type { Limits, Root, Roots } from "./options.ts";
export type { Guest, GuestInstance, ImportOptions, PluginOptions, WasiImports, WasiOptions } from "./wasi.ts";
