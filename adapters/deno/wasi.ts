/** `sluice/wasi` for Deno. */
import { provideRuntime } from "../../lib/current.ts";
import { deno } from "./runtime.ts";

export * from "../../lib/public/wasi.ts";

provideRuntime(deno);
