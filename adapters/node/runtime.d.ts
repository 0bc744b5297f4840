import type { Runtime } from "../../lib/runtime.ts";
export declare const node: Runtime;
