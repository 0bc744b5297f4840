/** `sluice/wasi` for Bun. The same functions and contract as on Node: see ../node/wasi.ts. */
import { createWasi } from "../../lib/wasi/wasi.ts";
import { bun } from "./ffi.ts";

export type * from "../../lib/wasi/public.ts";

export const { instantiateFallback, instantiatePlugin, wasiImports } = createWasi(bun, (fd) => fd);
