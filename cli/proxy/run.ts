/** `sluice proxy`: connections as a service. */
import { formatAddress } from "../address.ts";
import { findPort } from "../service/listening.ts";
import type { Program } from "../service/program.ts";
import { allowDescriptors } from "../service/descriptors.ts";
import { runService, type ServiceOptions } from "../service/run.ts";
import type { RelayOptions } from "./options.ts";
import { startProxy } from "./server.ts";

export interface RunOptions extends ServiceOptions, Omit<RelayOptions, "reusePort" | "metrics"> {}

/** The client's and the upstream's. */
const descriptorsPerConnection = 2;

/** Beyond `drainMs`, for what is broken off then. Milliseconds. */
const breakOffMs = 1_000;

const portOf = ({ listen }: RelayOptions): number | undefined => ("port" in listen ? listen.port : undefined);

const program: Program<RelayOptions> = {
  start: startProxy,
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
    allowDescriptors({ descriptorsPerConnection, wanted: rest.maxConnections });
    return { ...rest, reusePort: false, metrics: metricsAddress !== undefined };
  };
  const wordsOf = ({ listen, upstreams, drainMs }: RelayOptions) => ({
    listening: (port: number | undefined) =>
      `Proxying ${formatAddress("path" in listen ? listen : { ...listen, port: port ?? listen.port })} to ${upstreams.map(formatAddress).join(", ")}`,
    finishing: `Waiting for connections to end, at most ${drainMs / 1000} s`,
  });
  const action = `listen on ${formatAddress(rest.listen)}`;
  await runService(program, action, prepare, wordsOf, { workers, metricsAddress, quiet });
}
