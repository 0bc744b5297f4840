/** Whether this process may open as many files as it has to keep connections. */
import { node } from "../../adapters/node/ffi.ts";
import { machineOf } from "../../lib/engine/machine.ts";
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
 * Raises the limit on open files to what the connections need, and says so where it is too low for them and stays so.
 * Node, Bun and Deno raise the soft limit to the hard one when they start; the hard one is raised by those who may
 * (CAP_SYS_RESOURCE), as other servers do it. Workers inherit it.
 */
export function allowDescriptors({ descriptorsPerConnection, wanted }: Need): void {
  const allowed = readAllowed();
  const needed = wanted * descriptorsPerConnection + reserve;
  if (allowed >= needed) return;
  const { native } = machineOf(node);
  if (typeof native !== "string" && needed < 2 ** 31) native.sluice_allow_files(needed);
  const enough = Math.max(0, Math.floor((readAllowed() - reserve) / descriptorsPerConnection));
  if (enough >= wanted) return;
  tell(
    `${readAllowed()} descriptors allowed, enough for about ${enough} connections of ${wanted} (ulimit -Hn raises the limit)`,
  );
}

function readAllowed(): number {
  const { openFilesSoft } = readLimits();
  return typeof openFilesSoft === "number" ? openFilesSoft : Infinity;
}
