/** Sluice for Node.js 20 and later: native through koffi, portable where that is absent or forbidden. */
import { provideRuntime } from "../lib/current.ts";
import { node } from "./node/runtime.ts";

export * from "../lib/public/sluice.ts";

provideRuntime(node);
