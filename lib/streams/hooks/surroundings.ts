/** What the hooks need of their surroundings. */
import type { Runtime } from "../../runtime.ts";

/** What is handed over, and to what. */
export type Kind = `${"file" | "socket" | "message"} to ${"response" | "request" | "socket" | "file"}`;

/** What has been proven of a runtime. */
export interface Proven {
  /** Why streams of a kind are not handed over, or undefined. To be asked where there is an engine. */
  objection(kind: Kind): string | undefined;
  /** Whether that is still being tried. */
  isPending(kind: Kind): boolean;
}

export interface Surroundings {
  readonly runtime: Runtime;
  /** Writes a line, under SLUICE_DEBUG or NODE_DEBUG. */
  readonly debug: ((text: string) => void) | undefined;
  /** Why nothing is handed over at all, or undefined. */
  readonly disabled: string | undefined;
  /** Undefined in a trial. */
  readonly checks: Proven | undefined;
}
