/** `sluice/internal` for Bun. */
import { createInternal, type Internal } from "../../lib/internal.ts";
import { bun } from "./ffi.ts";

export * from "../../lib/internal.ts";

export const { writeWhole, writeInGoes, explainEnds, allowFiles }: Internal = createInternal(bun);
