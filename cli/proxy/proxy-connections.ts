/** `sluice proxy`: connections as a service. */
import { allowFiles } from "sluice/internal";
import { formatAddress } from "../address.ts";
import { readLimits } from "../doctor/machine.ts";
import { tell } from "../screen.ts";
import { findPort } from "../service/listening.ts";
import type { Program } from "../service/program.ts";
import { runService, type ServiceOptions } from "../service/service.ts";
import { startProxy } from "./proxy-server.ts";
import type { RelayOptions } from "./relay.ts";

export interface RunOptions extends ServiceOptions, Omit<RelayOptions, "reusePort" | "metrics" | "maxConnections"> {
  /** Undefined: `usualConnections`, or as many as the limit on open files is enough for. */
  readonly maxConnections: number | undefined;
}

/** Of one process, unless it is told otherwise. */
const usualConnections = 10_000;

/** Beyond `drainMs`, for what is broken off then. Milliseconds. */
const breakOffMs = 1_000;

const portOf = ({ listen }: RelayOptions): number | undefined => ("port" in listen ? listen.port : undefined);

const program: Program<RelayOptions> = {
  start: startProxy,
  reload: async (options) => options,
  async share(options) {
    const { listen } = options;
    if ("path" in listen) return options;
    return { ...options, listen: { ...listen, port: await findPort(listen) }, reusePort: true };
  },
  port: portOf,
  action: ({ listen }) => `listen on ${formatAddress(listen)}`,
  shutdownMs: ({ drainMs }) => drainMs + breakOffMs,
};

/** Proxies until a signal arrives. Sets the exit code; never throws. */
export async function runProxy({ workers, metricsAddress, quiet, ...rest }: RunOptions): Promise<void> {
  const prepare = async (): Promise<RelayOptions> => {
    const { maxConnections: wanted = usualConnections } = rest;
    const enough = allowDescriptors(wanted);
    if (rest.maxConnections !== undefined && enough < wanted)
      tell(
        `${readAllowed()} descriptors allowed, enough for about ${enough} connections of ${wanted} (ulimit -Hn raises the limit)`,
      );
    const maxConnections = rest.maxConnections ?? Math.min(wanted, Math.max(1, enough));
    return { ...rest, maxConnections, reusePort: false, metrics: metricsAddress !== undefined };
  };
  const wordsOf = ({ listen, upstreams, drainMs }: RelayOptions) => ({
    listening: (port: number | undefined) =>
      `Proxying ${formatAddress("path" in listen ? listen : { ...listen, port: port ?? listen.port })} to ${upstreams.map(formatAddress).join(", ")}`,
    finishing: `Waiting for connections to end, at most ${drainMs / 1000} s`,
  });
  const action = `listen on ${formatAddress(rest.listen)}`;
  await runService(program, action, prepare, wordsOf, { workers, metricsAddress, quiet });
}

/** What a process has open besides connections: the runtime's own, the engine's, pipes of transfers under way. */
const reserve = 256;

/** The client's and the upstream's, of a connection that is idle. */
const descriptorsPerConnection = 2;

/**
 * Raises the limit on open files to what so many connections need, and says for how many it is enough then.
 * Node, Bun and Deno raise the soft limit to the hard one when they start; the hard one is raised by those who may
 * (CAP_SYS_RESOURCE), as other servers do it. Workers inherit it.
 */
function allowDescriptors(wanted: number): number {
  const allowed = readAllowed();
  const needed = wanted * descriptorsPerConnection + reserve;
  if (allowed < needed) allowFiles(needed);
  return Math.max(0, Math.floor((readAllowed() - reserve) / descriptorsPerConnection));
}

function readAllowed(): number {
  const { openFilesSoft } = readLimits();
  return typeof openFilesSoft === "number" ? openFilesSoft : Infinity;
}
