/** Whether this process may open as many files as it has to keep connections. */
import { readLimits } from "../host.ts";
import { tell } from "../screen.ts";

/** What a process has open besides connections: the runtime's own, the engine's, pipes of transfers under way. */
const reserve = 256;

export interface Need {
  /** Of one that is idle. */
  readonly descriptorsPerConnection: number;
  /** Connections at a time. */
  readonly wanted: number;
}

/**
 * Says so where the limit on open files is too low. Node, Bun and Deno raise the soft limit to the hard one when they
 * start, so that nothing is left to raise.
 */
export function tellIfTooFew({ descriptorsPerConnection, wanted }: Need): void {
  const { openFilesSoft } = readLimits();
  if (typeof openFilesSoft !== "number") return;
  const enough = Math.max(0, Math.floor((openFilesSoft - reserve) / descriptorsPerConnection));
  if (enough >= wanted) return;
  tell(
    `${openFilesSoft} descriptors allowed, enough for about ${enough} connections of ${wanted} (ulimit -Hn raises the limit)`,
  );
}
