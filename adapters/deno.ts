/** Sluice for Deno: native through Deno.dlopen, portable where that is absent or forbidden. */
import { provideRuntime } from "../lib/current.ts";
import { deno } from "./deno/runtime.ts";

export * from "../lib/public/sluice.ts";

provideRuntime(deno);
