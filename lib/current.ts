/** The runtime of this process, which the package's entries name before anything is asked of it. */
import type { Runtime } from "./runtime.ts";

let current: Runtime | undefined;

export function provideRuntime(runtime: Runtime): void {
  current = runtime;
}

export function currentRuntime(): Runtime {
  if (current === undefined) throw new Error("No entry of the package has been imported");
  return current;
}
