/** `sluice/internal` for Bun. */
import { provideRuntime } from "../../lib/current.ts";
import { bun } from "./runtime.ts";

export * from "../../lib/public/internal.ts";

provideRuntime(bun);
