/** `sluice/wasi` for Node.js. */
import { provideRuntime } from "../../lib/current.ts";
import { node } from "./runtime.ts";

export * from "../../lib/public/wasi.ts";

provideRuntime(node);
