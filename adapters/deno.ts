/** Sluice for Deno. The same functions and contract as on Node: see node.ts. */
import { deno } from "./deno/ffi.ts";
import { createSluice } from "../lib/sluice.ts";

export * from "../lib/public.ts";

export const {
  transfer,
  tee,
  copyFile,
  openFile,
  lease,
  explain,
  map,
  proxy,
  createRing,
  openRing,
  createPipe,
  capabilities,
  interfaceFeatures,
} = createSluice(deno);
