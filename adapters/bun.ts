/** Sluice for Bun. The same functions and contract as on Node: see node.ts. */
import { bun } from "./bun/ffi.ts";
import { createSluice } from "./shared/sluice.ts";

export * from "./shared/public.ts";

export const { transfer, copyFile, openFile, lease, explain, map, proxy, capabilities, interfaceFeatures } =
  createSluice(bun);
