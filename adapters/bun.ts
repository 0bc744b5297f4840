/** Sluice for Bun: native through bun:ffi, portable where that is absent or forbidden. */
import { provideRuntime } from "../lib/current.ts";
import { bun } from "./bun/runtime.ts";

export * from "../lib/public/sluice.ts";

provideRuntime(bun);
