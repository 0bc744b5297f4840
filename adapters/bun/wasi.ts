/** `sluice/wasi` for Bun. The same functions and contract as on Node: see ../node/wasi.ts. */
import { createWasi } from "../../lib/wasi/instantiate.ts";
import { bun } from "./ffi.ts";

export type * from "../../lib/wasi/types.ts";

export const { instantiateFallback, instantiatePlugin, wasiImports } = createWasi(bun);
