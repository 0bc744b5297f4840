/** For the entries that hand streams over: the trials of that begin when one of them is loaded. */
import { provideRuntime } from "../current.ts";
import type { Runtime } from "../runtime.ts";
import { hooksOf } from "./hooks.ts";

export function provideStreams(runtime: Runtime): void {
  provideRuntime(runtime);
  hooksOf(runtime);
}
