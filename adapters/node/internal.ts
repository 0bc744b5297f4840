/** `sluice/internal` for Node.js. */
import { createInternal, type Internal } from "../../lib/internal.ts";
import { node } from "./ffi.ts";

export * from "../../lib/internal.ts";

export const { writeWhole, writeInGoes, explainEnds, allowFiles }: Internal = createInternal(node);
