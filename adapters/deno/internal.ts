/** `sluice/internal` for Deno. */
import { provideRuntime } from "../../lib/current.ts";
import { deno } from "./runtime.ts";

export * from "../../lib/public/internal.ts";

provideRuntime(deno);
