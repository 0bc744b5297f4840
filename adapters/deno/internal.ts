/** `sluice/internal` for Deno. */
import { createInternal, type Internal } from "../../lib/internal.ts";
import { deno } from "./ffi.ts";

export * from "../../lib/internal.ts";

export const { writeWhole, writeInGoes, explainEnds, allowFiles }: Internal = createInternal(deno);
