/** `sluice/wasi` for Bun. */
import { provideRuntime } from "../../lib/current.ts";
import { bun } from "./runtime.ts";

export * from "../../lib/public/wasi.ts";

provideRuntime(bun);
