/** What the hooks need of their surroundings. */
import type { Runtime } from "../runtime.ts";
import type { Checks } from "./checks.ts";

export interface Surroundings {
  readonly runtime: Runtime;
  /** SLUICE_DEBUG. */
  readonly debug: boolean;
  /** Why nothing is handed over at all, or undefined. */
  readonly disabled: string | undefined;
  /** What has been proven; undefined in a trial. */
  readonly checks: Checks | undefined;
}
